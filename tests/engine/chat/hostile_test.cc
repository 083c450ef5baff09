// Templates that try to crash, hang, fill the memory or leave the sandbox all end with an error.
#include <absl/strings/str_cat.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <pthread.h>

#include <functional>
#include <string>
#include <thread>

#include "engine/chat/chat_template.h"

namespace tessera {
namespace {

using ::testing::AnyOf;
using ::testing::HasSubstr;

std::string repeated(const std::string& text, int count) {
  std::string out;
  for (int done = 0; done < count; ++done) out += text;
  return out;
}

// Small enough for a test to reach every limit quickly.
RenderLimits tight() {
  RenderLimits limits;
  limits.steps = 300'000;
  limits.output_bytes = 1 << 20;
  limits.memory_bytes = 8 << 20;
  return limits;
}

absl::Status result_of(const std::string& source, const RenderLimits& limits = tight()) {
  const absl::StatusOr<ChatTemplate> parsed = ChatTemplate::parse(source, "hostile");
  if (!parsed.ok()) return parsed.status();
  nlohmann::ordered_json context = {{"xs", {1, 2, 3}}, {"s", "text"}, {"d", {{"a", 1}}}};
  return parsed->render(context, limits).status();
}

TEST(Hostile, ExhaustionEndsAtALimit) {
  const std::string sources[] = {
      "{% for a in range(99999) %}{% for b in range(99999) %}{% endfor %}{% endfor %}",
      "{% for a in range(99999) %}{{ 'x' * 1000 }}{% endfor %}",
      "{{ 'x' * 1000000000000 }}",
      "{{ [0] * 1000000000000 }}",
      "{{ (0,) * 99999999999999999999 }}",
      "{{ range(100001) }}",
      "{{ range(99999999999999999999999) }}",
      "{{ range(-9223372036854775807, 9223372036854775807, 1) }}",
      "{{ 'x'.center(1000000000000) }}",
      "{{ 'x'.zfill(99999999999999999999) }}",
      "{{ '%1000000000d' % 1 }}",
      "{{ '{:1000000000}'.format(1) }}",
      "{{ '%.1000000f' % 1.5 }}",
      "{{ 'x'|indent(1000000000) }}",
      "{{ xs|tojson(indent=1000000000) }}",
      "{{ xs|batch(1000000000000, 'x')|list }}",
      "{{ xs|slice(1000000000000)|list }}",
      "{% macro m() %}{{ m() }}{% endmacro %}{{ m() }}",
      "{% macro a() %}{{ b() }}{% endmacro %}{% macro b() %}{{ a() }}{% endmacro %}{{ a() }}",
      "{% macro m() %}{% call m() %}{{ caller() }}{% endcall %}{% endmacro %}{{ m() }}",
      "{% macro m(f) %}{{ f(f) }}{% endmacro %}{{ m(m) }}",
      "{% set ns = namespace(x='ab') %}{% for i in range(60) %}{% set ns.x = ns.x + ns.x %}{% "
      "endfor %}",
      "{% set ns = namespace(x=[1]) %}{% for i in range(60) %}{% set ns.x = ns.x + ns.x %}{% "
      "endfor %}",
      "{% set ns = namespace(x=[1]) %}{% for i in range(90) %}{% set ns.x = [ns.x, ns.x] %}{% "
      "endfor %}{{ ns.x }}",
      "{% set ns = namespace(x=[1], y=[1]) %}{% for i in range(90) %}{% set ns.x = [ns.x, ns.x] %}"
      "{% set ns.y = [ns.y, ns.y] %}{% endfor %}{{ ns.x == ns.y }}",
      "{% set ns = namespace(x=(1,)) %}{% for i in range(90) %}{% set ns.x = (ns.x, ns.x) %}{% "
      "endfor %}{{ {ns.x: 1} }}",
      "{% set ns = namespace(x=[1]) %}{% for i in range(90) %}{% set ns.x = [ns.x, ns.x] %}{% "
      "endfor %}{{ ns.x|tojson }}",
      "{% set ns = namespace(x=[1]) %}{% for i in range(99999) %}{% set ns.x = [ns.x] %}{% endfor "
      "%}",
      "{% set ns = namespace(x={}) %}{% for i in range(99999) %}{% set ns.x = {'a': ns.x} %}{% "
      "endfor %}",
      "{% set ns = namespace(x='ab') %}{% for i in range(99999) %}{% set ns.x = ns.x|map('upper') "
      "%}{% endfor %}",
      "{% set ns = namespace() %}{% for i in range(99999) %}{% for x in [ns.l] %}{% set ns.l = "
      "loop %}{% endfor %}{% endfor %}",
      "{% set ns = namespace() %}{% for i in range(99999) %}{% set ns.x = ns.x.upper if ns.x else "
      "'a' %}{% set ns.x = [ns.x] %}{% endfor %}",
      "{% set ns = namespace() %}{% set ns.a = ns %}{{ ns }}",
      "{% set ns = namespace() %}{% set ns.a = [ns] %}{{ ns.a }}",
      "{% for i in range(99999) %}{% for x in xs %}{% if loop.changed(loop) %}{% endif %}{% endfor "
      "%}{% endfor %}",
      "{% for i in range(99999) %}{% macro m() %}{{ i }}{% endmacro %}{% set n = namespace(m=m, "
      "i=i) %}{% endfor %}",
      "{% set x = 'a' * 500000 %}{% for i in range(99999) %}{{ x.count('b') }}{% endfor %}",
      "{% set x = 'a' * 500000 %}{% for i in range(99999) %}{% set y = x.find('a' * 1000 + 'b') "
      "%}{% endfor %}",
      "{% set x = 'ä' * 500000 %}{% for i in range(99999) %}{% set y = x[i] %}{% endfor %}",
      "{% set x = 'a' * 500000 %}{% for i in range(99999) %}{% set y = x.replace('a', 'b') %}{% "
      "endfor %}",
      "{% set x = range(99999)|list %}{% for i in range(99999) %}{% set y = x|sort %}{% endfor %}",
      "{% set x = range(99999)|list %}{% for i in x %}{% set y = (0 - 1) in x %}{% endfor %}",
      "{{ namespace(**dict(range(99999)|map('string')|map('list')|map('first')|batch(2))) }}",
  };
  for (const std::string& source : sources) {
    SCOPED_TRACE(source);
    const absl::Status status = result_of(source);
    EXPECT_THAT(status.code(),
                AnyOf(absl::StatusCode::kResourceExhausted, absl::StatusCode::kInvalidArgument,
                      absl::StatusCode::kUnimplemented))
        << status;
  }
}

// Each round does much with few expressions; the work counts, not the expressions.
TEST(Hostile, LongWorkOfOneExpressionIsCounted) {
  const std::string setup =
      "{% set x = 'a' * 500000 %}{% set spaces = ' ' * 500000 %}{% set one = [1] * 50000 %}"
      "{% set texts = ('b',) * 50000 %}{% set ns = namespace() %}{% set ns.a = ns %}"
      "{% for i in range(2000) %}{% set y = ";
  const std::string works[] = {
      "x|length if x|int(7)|string == spaces else 1",
      "spaces|float",
      "d[x]",
      "one == one",
      "one < one",
      "one.count(1)",
      "'c'.startswith(texts)",
      "[]|map(x)",
      "[]|join(x)",
      "''|indent(x)",
      "1|tojson(indent=x)",
      "1|tojson(separators=(x, x))",
      "(' ' ~ x)|truncate(10)",
      "strftime_now('%p' * 10000)",
      "(dict([[x, 1]])|length) and dict(**dict([[x, 1]]))",
      std::string("'{0") + repeated(".a", 20'000) + "}'.format(ns) is defined",
      std::string("'%(") + repeated("k", 20'000) + ")s' % {'" + repeated("k", 20'000) + "': 1}",
      std::string("'{:") + repeated("0", 20'000) + "}'.format(1)",
  };
  for (const std::string& work : works) {
    SCOPED_TRACE(work.substr(0, 60));
    const absl::Status status = result_of(setup + work + " %}{% endfor %}");
    EXPECT_TRUE(absl::IsResourceExhausted(status)) << status;
  }
  std::string names, parameters;
  for (int index = 0; index < 20'000; ++index) {
    absl::StrAppend(&names, "{{ v", index, " }}");
    absl::StrAppend(&parameters, "v", index, ",");
  }
  const std::string many[] = {
      std::string("{% for i in range(2000) %}{% if no %}") + names + "{% endif %}{% endfor %}",
      std::string("{% macro m(") + parameters +
          "w) %}{% endmacro %}{% for i in range(2000) %}{{ m() }}"
          "{% endfor %}",
  };
  for (const std::string& source : many) {
    SCOPED_TRACE(source.substr(0, 60));
    EXPECT_TRUE(absl::IsResourceExhausted(result_of(source)));
  }
}

// What is kept counts as memory, however it is held.
TEST(Hostile, KeptValuesAreCounted) {
  std::string attributes;
  for (int index = 0; index < 100; ++index) {
    attributes += "{% set n.a" + std::to_string(index) + " = 1 %}";
  }
  const std::string sources[] = {
      "{% set x = dict([['a' * 200000, 1]]) %}{% for i in range(2000) %}{% set n = namespace(**x) "
      "%}{% endfor %}",
      std::string("{% for i in range(2000) %}{% set n = namespace() %}") + attributes +
          "{% endfor %}",
      "{% set x = [1] * 50000 %}{% for i in range(2000) %}"
      "{% set n = namespace(a=xs|map('default', *x)) %}{% endfor %}",
  };
  for (const std::string& source : sources) {
    SCOPED_TRACE(source.substr(0, 60));
    RenderLimits limits = tight();
    limits.steps = 10'000'000;
    EXPECT_THAT(std::string(result_of(source, limits).message()), HasSubstr("memory"));
  }
}

// Loops give items as they are asked for, so that a loop may come to hold itself or all the loops
// before it, and a generator may be asked for an item while it makes one.
TEST(Hostile, LoopsThatHoldLoopsStayFlat) {
  const std::string onto_itself =
      "{% set ns = namespace(l=0) %}{% for x in [ns, ns, ns]|map(attribute='l') %}"
      "{% set ns.l = loop %}{% endfor %}{{ ns.l.index }}";
  EXPECT_TRUE(result_of(onto_itself).ok());
  const std::string chain =
      "{% set ns = namespace(l=0) %}{% for i in range(9000) %}{% for x in [ns]|map(attribute='l') "
      "%}{% set ns.l = loop %}{% endfor %}{% endfor %}{{ ns.l.index }}";
  EXPECT_TRUE(result_of(chain).ok());
  const std::string inside_itself =
      "{% set ns = namespace(l=0) %}{% for x in ([ns] * 90000)|map(attribute='l')|map('string') %}"
      "{% set ns.l = loop %}{{ loop.length }}{% endfor %}";
  EXPECT_TRUE(absl::IsInvalidArgument(result_of(inside_itself)));
  const std::string inside_others =
      "{% set ns = namespace(l=0) %}{% for i in range(4000) %}{% set m = namespace(l=0) %}"
      "{% for x in [m, m]|map(attribute='l')|map('string') %}{% set m.l = ns.l %}"
      "{% set ns.l = loop %}{% break %}{% endfor %}{% endfor %}{{ ns.l }}";
  EXPECT_TRUE(absl::IsResourceExhausted(result_of(inside_others)));
}

TEST(Hostile, NumbersAtTheEdgeAreRefused) {
  const std::string least = "(-170141183460469231731687303715884105727 - 1)";
  EXPECT_TRUE(absl::IsUnimplemented(result_of(std::string("{{ ") + least + "|round(-3) }}")));
  EXPECT_TRUE(absl::IsUnimplemented(result_of(std::string("{{ -") + least + " }}")));
  EXPECT_TRUE(
      absl::IsResourceExhausted(result_of("{{ range(0, 1, 2 ** 60)[::2][::2][::2][::2] }}")));
  EXPECT_TRUE(result_of("{{ s|truncate(170141183460469231731687303715884105727) }}").ok());
}

TEST(Hostile, MessagesAreShort) {
  const absl::Status status = result_of("{{ raise_exception('ä' * 100000) }}");
  EXPECT_TRUE(absl::IsInvalidArgument(status));
  EXPECT_LE(status.message().size(), 4096u);
  EXPECT_GE(status.message().size(), 4000u);
}

TEST(Hostile, DeepNestingIsRefusedNotFollowed) {
  const std::string sources[] = {
      "{{ " + repeated("(", 100'000) + "1" + repeated(")", 100'000) + " }}",
      "{{ " + repeated("[", 100'000) + " }}",
      "{{ " + repeated("{'a':", 100'000) + " }}",
      "{{ " + repeated("not ", 100'000) + "1 }}",
      "{{ " + repeated("-", 100'000) + "1 }}",
      "{{ 1" + repeated(" + 1", 100'000) + " }}",
      "{{ x" + repeated(".a", 100'000) + " }}",
      "{{ x" + repeated("[0]", 100'000) + " }}",
      "{{ x" + repeated("|upper", 100'000) + " }}",
      "{{ x" + repeated("()", 100'000) + " }}",
      "{{ 1" + repeated(" if 1 else 1", 100'000) + " }}",
      "{{ 1" + repeated(" and 1", 100'000) + " }}",
      "{{ 1" + repeated(" is odd", 100'000) + " }}",
      repeated("{% if 1 %}", 100'000),
      repeated("{% for x in y %}", 100'000),
      repeated("{% set x %}", 100'000),
      repeated("{% macro m() %}", 50'000),
      repeated("{% filter upper %}", 50'000),
      "{% for " + repeated("(", 100'000) + "x" + repeated(")", 100'000) + " in y %}{% endfor %}",
      "{% set " + repeated("(", 100'000) + "x",
  };
  for (const std::string& source : sources) {
    SCOPED_TRACE(source.substr(0, 40));
    EXPECT_FALSE(result_of(source).ok());
  }
}

// Long but flat templates are cheap; nothing in parsing may be quadratic in their length.
TEST(Hostile, LongTemplatesParse) {
  const std::string sources[] = {
      repeated("{{ s }}\n", 40'000),
      repeated("{% if s %}{% set a = 1 %}{% endif %}", 10'000),
      repeated("{# c #}", 80'000),
      "{{ [" + repeated("1,", 200'000) + "]|length }}",
      "{{ '" + repeated("\\n", 200'000) + "'|length }}",
      repeated("{ ", 400'000),
      repeated("{% raw %}", 1) + repeated("{% ", 200'000) + "{% endraw %}",
  };
  for (const std::string& source : sources) {
    SCOPED_TRACE(source.substr(0, 40));
    const absl::StatusOr<ChatTemplate> parsed = ChatTemplate::parse(source, "long");
    ASSERT_TRUE(parsed.ok()) << parsed.status();
    EXPECT_TRUE(parsed->render({{"s", "x"}}).ok());
  }
  std::string names;
  for (int index = 0; index < 20'000; ++index) {
    names += "{% if s %}{% set v" + std::to_string(index) + " = 1 %}{% endif %}";
  }
  EXPECT_TRUE(ChatTemplate::parse(names, "names").ok());
}

TEST(Hostile, TooLongOrNotUtf8IsRefused) {
  EXPECT_TRUE(absl::IsResourceExhausted(
      ChatTemplate::parse(std::string(ChatTemplate::kSourceMost + 1, 'x'), "t").status()));
  EXPECT_TRUE(absl::IsInvalidArgument(ChatTemplate::parse("\xff", "t").status()));
  EXPECT_TRUE(absl::IsInvalidArgument(ChatTemplate::parse("\xed\xa0\x80", "t").status()));
}

TEST(Hostile, SandboxHidesInternals) {
  const std::string sources[] = {
      "{{ ''.__class__.__mro__ }}",
      "{{ ''['__class__']['__mro__'] }}",
      "{{ (''|attr('__class__')).x }}",
      "{{ '{0.__class__.__mro__}'.format('') }}",
      "{{ xs.append(4) }}",
      "{{ d.update({'b': 1}) }}",
      "{{ d['pop']('a') }}",
      "{% set d.a = 2 %}",
      "{% set ns = namespace() %}{% set ns.__x = 1 %}",
  };
  for (const std::string& source : sources) {
    SCOPED_TRACE(source);
    const absl::Status status = result_of(source);
    EXPECT_THAT(status.code(),
                AnyOf(absl::StatusCode::kFailedPrecondition, absl::StatusCode::kInvalidArgument))
        << status;
  }
}

TEST(Hostile, ContextIsBounded) {
  const absl::StatusOr<ChatTemplate> parsed = ChatTemplate::parse("{{ x }}", "t");
  nlohmann::ordered_json deep = 1;
  for (int level = 0; level < 5'000; ++level)
    deep = nlohmann::ordered_json::array({std::move(deep)});
  EXPECT_TRUE(absl::IsResourceExhausted(parsed->render({{"x", std::move(deep)}}).status()));
  const nlohmann::ordered_json large = {{"x", std::string(16 << 20, 'x')}};
  EXPECT_TRUE(absl::IsResourceExhausted(parsed->render(large, tight()).status()));
  EXPECT_FALSE(parsed->render({{"x", "\xc3"}}).ok());
  EXPECT_FALSE(parsed->render({{"x", {{"\xff", 1}}}}).ok());
  EXPECT_FALSE(parsed->render(nlohmann::ordered_json::array()).ok());
}

// Sanitizers widen every frame.
#ifdef TESSERA_DEBUG
constexpr std::size_t kSmallStack = 8 << 20;
#else
constexpr std::size_t kSmallStack = 2 << 20;
#endif

// Runs `work` on a thread with a stack of kSmallStack bytes.
void on_small_stack(std::function<void()> work) {
  pthread_attr_t attributes;
  ASSERT_EQ(pthread_attr_init(&attributes), 0);
  ASSERT_EQ(pthread_attr_setstacksize(&attributes, kSmallStack), 0);
  const auto start = [](void* given) -> void* {
    (*static_cast<std::function<void()>*>(given))();
    return nullptr;
  };
  pthread_t thread;
  ASSERT_EQ(pthread_create(&thread, &attributes, start, &work), 0);
  pthread_join(thread, nullptr);
  pthread_attr_destroy(&attributes);
}

// The deepest recursion the limits allow fits a quarter of the usual stack.
TEST(Hostile, RecursionFitsTheStack) {
  const std::string deep = repeated("{% if 1 %}", 30) + "{{ " + repeated("(", 20) + "m()" +
                           repeated(")", 20) + " }}" + repeated("{% endif %}", 30);
  const std::string sources[] = {
      "{% macro m() %}" + deep + "{% endmacro %}{{ m() }}",
      "{% macro m() %}{{ [1]|map('upper')|list + [m()] }}{% endmacro %}{{ m() }}",
      "{% macro m() %}{% call m() %}{% set x %}{{ m() }}{% endset %}{% endcall %}{{ caller }}{% "
      "endmacro %}{{ "
      "m() }}",
      "{% macro m(a=m()) %}{% endmacro %}{{ m() }}",
      "{% macro m() %}{% for x in [1] if m() %}{% endfor %}{% endmacro %}{{ m() }}",
  };
  for (const std::string& source : sources) {
    SCOPED_TRACE(source);
    on_small_stack([&] {
      const absl::Status status = result_of(source);
      EXPECT_TRUE(absl::IsResourceExhausted(status)) << status;
    });
  }
}

TEST(Hostile, OneTemplateRendersOnManyThreads) {
  const absl::StatusOr<ChatTemplate> parsed = ChatTemplate::parse(
      "{% macro m(x) %}{{ 'a' ~ x }}{% endmacro %}{% for i in range(50) %}{{ m(i)|upper }}{{ 'c' "
      "'d' }}"
      "{% endfor %}",
      "t");
  ASSERT_TRUE(parsed.ok());
  const std::string expected = parsed->render(nlohmann::ordered_json::object()).value();
  std::vector<std::thread> threads;
  std::vector<int> equal(4, 0);
  for (int& count : equal) {
    threads.emplace_back([&] {
      for (int round = 0; round < 50; ++round) {
        count += parsed->render(nlohmann::ordered_json::object()).value() == expected ? 1 : 0;
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_THAT(equal, ::testing::Each(50));
}

}  // namespace
}  // namespace tessera
