#include "engine/chat/lookup.h"

#include <algorithm>

#include "engine/chat/ast.h"
#include "engine/chat/builtins.h"
#include "engine/chat/iterate.h"
#include "engine/chat/loop.h"
#include "engine/chat/print.h"
#include "engine/chat/unicode.h"

namespace tessera::jinja {
namespace {

constexpr std::size_t kNameShown = 60;

template <std::size_t kCount>
bool listed(const std::string_view (&names)[kCount], std::string_view name) {
  return std::find(std::begin(names), std::end(names), name) != std::end(names);
}

// Methods Python has and this subset lacks: using them must fail, not look undefined.
constexpr std::string_view kTextLacks[] = {"casefold", "encode",    "format_map", "isidentifier",
                                           "istitle",  "maketrans", "translate",  "expandtabs"};
constexpr std::string_view kIntLacks[] = {
    "as_integer_ratio", "bit_count", "bit_length", "conjugate", "denominator",
    "from_bytes",       "imag",      "numerator",  "real",      "to_bytes"};
constexpr std::string_view kFloatLacks[] = {
    "as_integer_ratio", "conjugate", "fromhex", "hex", "imag", "is_integer", "real"};
constexpr std::string_view kDictLacks[] = {"fromkeys"};
// Methods that change their object; the sandbox hides them.
constexpr std::string_view kListChanges[] = {"append", "clear",  "extend",  "insert",
                                             "pop",    "remove", "reverse", "sort"};
constexpr std::string_view kDictChanges[] = {"clear", "pop", "popitem", "setdefault", "update"};

Value hidden(Meter& meter, const Value& object, std::string_view name) {
  return make_undefined(meter,
                        "access to attribute '" + std::string(name.substr(0, kNameShown)) +
                            "' of '" + type_name(object) + "' object is unsafe.",
                        true);
}

Value no_attribute(Meter& meter, const Value& object, std::string_view name) {
  return make_undefined(meter, std::string("'") + type_name(object) +
                                   " object' has no attribute '" +
                                   std::string(name.substr(0, kNameShown)) + "'");
}

Value no_item(Meter& meter, const Value& object, const Value& key) {
  if (const Text* text = key.text()) return no_attribute(meter, object, text->bytes);
  return make_undefined(meter, std::string(type_name(object)) + " object has no element " +
                                   to_repr(meter, key).substr(0, kNameShown));
}

[[noreturn]] void fail_lacking(const Value& object, std::string_view name) {
  fail_unsupported(std::string("the attribute '") + std::string(name) + "' of '" +
                   type_name(object) + "' objects");
}

Value method(Meter& meter, const NamedBuiltin* found, const Value& object) {
  return found == nullptr ? Value() : make_method(meter, found->name, found->function, object);
}

Value text_attribute(Meter& meter, const Value& object, std::string_view name) {
  if (listed(kTextLacks, name)) fail_lacking(object, name);
  Value found = method(meter, find_text_method(name), object);
  if (!found.is_missing() && object.text()->markup) {
    fail_unsupported("methods of a string marked safe");
  }
  return found;
}

Value sequence_attribute(Meter& meter, const Value& object, std::string_view name) {
  const Sequence& sequence = *object.sequence();
  if (sequence.form == Sequence::Form::kList && listed(kListChanges, name)) {
    return hidden(meter, object, name);
  }
  if (sequence.form == Sequence::Form::kGroup && name == "grouper") return sequence.items[0];
  if (sequence.form == Sequence::Form::kGroup && name == "list") return sequence.items[1];
  if (sequence.form != Sequence::Form::kList && name == "copy") return Value();
  return method(meter, find_sequence_method(name), object);
}

Value dict_attribute(Meter& meter, const Value& object, std::string_view name) {
  if (listed(kDictChanges, name)) return hidden(meter, object, name);
  if (listed(kDictLacks, name)) fail_lacking(object, name);
  return method(meter, find_dict_method(name), object);
}

Value loop_attribute(Meter& meter, const Value& object, std::string_view name) {
  Loop& loop = **object.get<Ref<Loop>>();
  if (name == "index") return make_int(loop.index0 + 1);
  if (name == "index0") return make_int(loop.index0);
  if (name == "first") return loop.index0 == 0;
  if (name == "last") return loop.is_last();
  if (name == "length") return make_int(loop.length(meter));
  if (name == "revindex") return make_int(loop.length(meter) - loop.index0);
  if (name == "revindex0") return make_int(loop.length(meter) - loop.index0 - 1);
  if (name == "depth") return make_int(1);
  if (name == "depth0") return make_int(0);
  if (name == "previtem") {
    return loop.index0 == 0 ? make_undefined(meter, "there is no previous item") : loop.previous;
  }
  if (name == "nextitem") {
    const Value* item = loop.next_item();
    return item == nullptr ? make_undefined(meter, "there is no next item") : *item;
  }
  return method(meter, find_loop_method(name), object);
}

Value macro_attribute(Meter& meter, const Value& object, std::string_view name) {
  const MacroDef& macro = *(*object.get<Ref<const Macro>>())->definition;
  if (name == "name") return make_text(meter, macro.name);
  if (name == "catch_kwargs") return macro.kwargs_slot.has_value();
  if (name == "catch_varargs") return macro.varargs_slot.has_value();
  if (name == "caller") return macro.caller_slot.has_value();
  if (name != "arguments") return Value();
  std::vector<Value> names;
  for (const auto& parameter : macro.parameters) names.push_back(make_text(meter, parameter.name));
  return make_tuple(meter, std::move(names));
}

// getattr(object, name), or missing.
Value own_attribute(Meter& meter, const Value& object, std::string_view name) {
  if (const Undefined* undefined = object.undefined()) fail_undefined(*undefined);
  if (name.starts_with("__")) return Value();
  if (object.text() != nullptr) return text_attribute(meter, object, name);
  if (object.sequence() != nullptr) return sequence_attribute(meter, object, name);
  if (object.dict() != nullptr) return dict_attribute(meter, object, name);
  if (const auto* space = object.get<Ref<Namespace>>()) {
    const Value* value = (*space)->find(meter, name);
    return value == nullptr ? Value() : *value;
  }
  if (object.is<Ref<Loop>>()) return loop_attribute(meter, object, name);
  if (object.is<Ref<const Macro>>()) return macro_attribute(meter, object, name);
  if (const auto* range = object.get<Ref<const Range>>()) {
    if (name == "start") return make_int((*range)->start);
    if (name == "stop") return make_int((*range)->stop);
    if (name == "step") return make_int((*range)->step);
    return Value();
  }
  if ((object.is<Integer>() || object.is<bool>()) && listed(kIntLacks, name)) {
    fail_lacking(object, name);
  }
  if (object.is<double>() && listed(kFloatLacks, name)) fail_lacking(object, name);
  return Value();
}

// object[key] without falling back to attributes, or missing.
Value own_item(Meter& meter, const Value& object, const Value& key) {
  if (const Undefined* undefined = object.undefined()) fail_undefined(*undefined);
  if (const Dict* dict = object.dict()) {
    if (nesting(key) > 0 &&
        (key.sequence() == nullptr || key.sequence()->form == Sequence::Form::kList)) {
      return Value();
    }
    const Value* value = dict->find(meter, key);
    return value == nullptr ? Value() : *value;
  }
  Integer index;
  if (!as_integer(key, index)) return Value();
  if (const Text* text = object.text()) {
    Value point;
    point_at(meter, *text, index, point);
    return point;
  }
  const std::int64_t length =
      object.sequence() != nullptr || object.is<Ref<const Range>>() ? length_of(object) : 0;
  if (index < 0) index += length;
  if (index < 0 || index >= length) return Value();
  const auto place = static_cast<std::int64_t>(index);
  if (const Sequence* sequence = object.sequence()) {
    return sequence->items[static_cast<std::size_t>(place)];
  }
  return make_int((*object.get<Ref<const Range>>())->at(place));
}

// The places a slice takes: `count` of them from `start`, each `step` on, all before `stop`.
struct Places {
  std::int64_t start, stop, step, count;
};

// Of a range: the place behind its last item can still be computed.
constexpr Integer kStepMost = Integer{1} << 60;

Integer slice_bound(const Value& value, Integer fallback, Integer length, Integer least,
                    Integer most) {
  if (value.is_missing() || value.is_none()) return fallback;
  Integer bound;
  if (const Undefined* undefined = value.undefined()) fail_undefined(*undefined);
  if (!as_integer(value, bound)) fail("slice indices must be integers or None");
  if (bound < 0) bound += length;
  return std::clamp(bound, least, most);
}

Places slice_places(std::int64_t length, const Value& start, const Value& stop, const Value& step) {
  Integer stride = 1;
  if (!step.is_missing() && !step.is_none()) {
    if (!as_integer(step, stride)) fail("slice indices must be integers or None");
    if (stride == 0) fail("slice step cannot be zero");
    stride = std::clamp(stride, -Integer{length} - 1, Integer{length} + 1);
  }
  const bool forward = stride > 0;
  const Integer least = forward ? 0 : -1, most = forward ? length : length - 1;
  const Integer first = slice_bound(start, forward ? least : most, length, least, most);
  const Integer last = slice_bound(stop, forward ? most : least, length, least, most);
  const Integer span = forward ? last - first : first - last;
  const Integer size = forward ? stride : -stride;
  const Integer count = span > 0 ? (span - 1) / size + 1 : 0;
  return {static_cast<std::int64_t>(first), static_cast<std::int64_t>(last),
          static_cast<std::int64_t>(stride), static_cast<std::int64_t>(count)};
}

std::string text_slice(const Text& text, const Places& places) {
  if (places.step == 1) {
    const std::size_t start =
        text.ascii() ? static_cast<std::size_t>(places.start)
                     : byte_of_point(text.bytes, static_cast<std::size_t>(places.start));
    const std::string_view rest =
        std::string_view(text.bytes).substr(std::min(start, text.bytes.size()));
    return std::string(rest.substr(0, byte_of_point(rest, static_cast<std::size_t>(places.count))));
  }
  std::vector<char32_t> points;
  for (std::size_t byte = 0; byte < text.bytes.size();)
    points.push_back(next_point(text.bytes, byte));
  std::string out;
  for (std::int64_t done = 0; done < places.count; ++done) {
    append_point(out, points[static_cast<std::size_t>(places.start + done * places.step)]);
  }
  return out;
}

}  // namespace

Value attribute_of(Meter& meter, const Value& object, std::string_view name) {
  Value found = own_attribute(meter, object, name);
  if (!found.is_missing()) return found;
  if (const Dict* dict = object.dict()) {
    if (const Value* value = dict->find(meter, name)) return *value;
  }
  return name.starts_with("__") ? hidden(meter, object, name) : no_attribute(meter, object, name);
}

Value attribute_only(Meter& meter, const Value& object, std::string_view name) {
  Value found = own_attribute(meter, object, name);
  if (!found.is_missing()) return found;
  return name.starts_with("__") ? hidden(meter, object, name) : no_attribute(meter, object, name);
}

Value item_of(Meter& meter, const Value& object, const Value& key) {
  meter.step();
  Value found = own_item(meter, object, key);
  if (found.is_missing() && key.text() != nullptr) {
    const std::string_view name = key.text()->bytes;
    found = own_attribute(meter, object, name);
    if (found.is_missing() && name.starts_with("__")) return hidden(meter, object, name);
  }
  return found.is_missing() ? no_item(meter, object, key) : found;
}

Value slice_of(Meter& meter, const Value& object, const Value& start, const Value& stop,
               const Value& step) {
  if (const Undefined* undefined = object.undefined()) fail_undefined(*undefined);
  const bool sliceable =
      object.text() != nullptr || object.sequence() != nullptr || object.is<Ref<const Range>>();
  if (!sliceable) fail(std::string("'") + type_name(object) + "' object is not subscriptable");
  const Places places = slice_places(length_of(object), start, stop, step);
  if (const Text* text = object.text()) {
    meter.step(static_cast<std::int64_t>(text->bytes.size() / 64));
    meter.expect_room(text->bytes.size() * 4);
    return make_text(meter, text_slice(*text, places), text->markup);
  }
  if (const auto* range = object.get<Ref<const Range>>()) {
    const Range& whole = **range;
    const Integer step = Integer{whole.step} * places.step;
    if (step > kStepMost || step < -kStepMost) fail_limit("a range's step is too large");
    return make_range(
        meter, {whole.at(places.start), whole.at(places.stop), static_cast<std::int64_t>(step)});
  }
  const Sequence& sequence = *object.sequence();
  std::vector<Value> items;
  meter.expect_room(static_cast<std::size_t>(places.count) * sizeof(Value));
  for (std::int64_t done = 0; done < places.count; ++done) {
    items.push_back(sequence.items[static_cast<std::size_t>(places.start + done * places.step)]);
  }
  const bool list = sequence.form == Sequence::Form::kList;
  return list ? make_list(meter, std::move(items)) : make_tuple(meter, std::move(items));
}

Value path_of(Meter& meter, const Value& object, const Value& path) {
  const Text* text = path.text();
  if (path.is_none() || path.is_missing()) return object;
  if (text == nullptr) return item_of(meter, object, path);
  Value found = object;
  for (std::size_t at = 0; at <= text->bytes.size();) {
    const std::size_t dot = std::min(text->bytes.find('.', at), text->bytes.size());
    const std::string part = text->bytes.substr(at, dot - at);
    const bool number = !part.empty() && part.size() < 10 &&
                        part.find_first_not_of("0123456789") == std::string::npos;
    found = item_of(meter, found, number ? make_int(std::stoi(part)) : make_text(meter, part));
    at = dot + 1;
  }
  return found;
}

}  // namespace tessera::jinja
