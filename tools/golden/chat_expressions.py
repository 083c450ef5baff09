"""Small templates, one construct or two each, for comparing the renderer with Jinja itself.

CASES are rendered with CONTEXT; SCOPES are longer templates about where names live and what loops see.
"""

CONTEXT = {
    "s": "Hello, World",
    "u": "ÄÖü ß Σίσυφος 你好 😀 ǆ",
    "words": "  the quick\tbrown\n fox  ",
    "lines": "one\r\ntwo\nthree\n\nfive",
    "empty": "",
    "n": 7,
    "neg": -3,
    "big": 18446744073709551615,
    "f": 2.5,
    "t": True,
    "no": False,
    "nil": None,
    "xs": [3, 1, 2],
    "names": ["bob", "Alice", "carol", "Bob"],
    "mixed": [1, "a", None, True, 2.5, [1, 2], {"k": "v"}],
    "d": {"b": 1, "a": 2, "C": 3, "items": "shadow"},
    "nested": {"x": {"y": [10, {"z": "deep"}]}},
    "people": [
        {"name": "Ann", "age": 31, "city": "Oslo", "tags": ["x"]},
        {"name": "bert", "age": 25, "city": "oslo"},
        {"name": "Cem", "age": 31, "city": "Rome", "tags": []},
        {"name": "dora", "age": None, "city": "Bern", "tags": ["y", "z"]},
    ],
    "html": "<a href='x'>T&C</a>",
    "messages": [
        {"role": "system", "content": "Be brief."},
        {"role": "user", "content": "Hi"},
        {"role": "assistant", "content": "Hello", "tool_calls": []},
        {"role": "user", "content": "Bye"},
    ],
}

CASES = r"""
{{ s }} {{ n }} {{ neg }} {{ f }} {{ t }} {{ no }} {{ nil }} {{ big }}
{{ xs }} {{ mixed }} {{ d }} {{ nested }} {{ (1,) }} {{ (1, 'a') }} {{ () }} {{ [] }} {{ {} }}
{{ missing }}|{{ missing is defined }}|{{ [missing] }}
{{ missing.attribute }}
{{ missing['item'] }}
{{ missing() }}
{{ missing + 1 }}
{{ missing == missing2 }} {{ missing == nil }} {{ missing != 1 }} {{ not missing }}
{{ missing < 1 }}
{{ missing ~ 'x' }} {{ missing|default('d') }} {{ missing|d }} {{ nil|d('x') }} {{ nil|d('x', true) }} {{ ''|default('e', boolean=True) }}
{{ d.missing }}|{{ d.missing is undefined }}|{{ d['missing'] is defined }}
{{ d.missing.deeper }}
{{ nil.foo }}|{{ nil.foo is defined }}|{{ n.foo }}|{{ xs.foo }}
{{ nil[0] }}|{{ n['x'] }}
{{ 1 + 2 * 3 - 4 / 2 }} {{ 7 // 2 }} {{ -7 // 2 }} {{ 7 % 3 }} {{ -7 % 3 }} {{ 7 % -3 }} {{ 2 ** 10 }} {{ 2 ** -1 }} {{ 2 ** 3 ** 2 }}
{{ 7.5 // 2 }} {{ -7.5 % 2 }} {{ 7.5 % -2 }} {{ 1e3 }} {{ 1.5e-7 }} {{ 1e16 }} {{ 123456789.125 }} {{ 0.1 + 0.2 }} {{ 1e22 }} {{ 1.0 }} {{ 1e-5 }} {{ 0.0001 }} {{ 3.0e10 }}
{{ 1 / 3 }} {{ 10 / 5 }} {{ 4 ** 0.5 }} {{ -2 ** 2 }} {{ (-8) ** 3 }} {{ 2 ** 62 * 4 }}
{{ 1 / 0 }}
{{ 1 // 0 }}
{{ 1 % 0 }}
{{ 1.0 / 0 }}
{{ 0 ** -1 }}
{{ True + True }} {{ True * 3 }} {{ -True }} {{ +n }} {{ - n }} {{ --n }}
{{ 'a' + 'b' }} {{ 'ab' * 3 }} {{ 3 * 'ab' }} {{ 'ab' * 0 }} {{ 'ab' * -1 }} {{ [1] * 2 + [2] }} {{ (1,) + (2,) }} {{ (1, 2) * 2 }}
{{ 'a' + 1 }}
{{ [1] + (2,) }}
{{ nil + 1 }}
{{ 'a' - 'b' }}
{{ -s }}
{{ 'a' ~ 1 ~ none ~ true ~ 2.5 ~ [1, 'x'] ~ missing }}
{{ 1 ~ 2 + 3 }} {{ 1 + 2 ~ 3 }} {{ 2 * 3 ~ 4 }}
{{ 1 < 2 < 3 }} {{ 1 < 3 < 2 }} {{ 1 == 1.0 }} {{ 1 == true }} {{ 'a' == 'a' }} {{ [1, 2] == [1, 2] }} {{ (1, 2) == [1, 2] }} {{ {'a': 1} == {'a': 1.0} }}
{{ 'a' < 'b' }} {{ 'B' < 'a' }} {{ [1, 2] < [1, 3] }} {{ [1] < [1, 0] }} {{ (1, 'a') >= (1, 'A') }} {{ 1 != 2 }} {{ 'Z' > 'é' }}
{{ 1 < 'a' }}
{{ nil < 1 }}
{{ {} < {} }}
{{ [1] < (1,) }}
{{ 'ell' in s }} {{ 'x' not in s }} {{ '' in s }} {{ 1 in xs }} {{ 9 in xs }} {{ 'a' in d }} {{ 'z' not in d }} {{ 2 in (1, 2) }} {{ none in mixed }} {{ 1 in missing }}
{{ 1 in s }}
{{ missing in s }}
{{ 1 in nil }}
{{ 1 in 5 }}
{{ [1] in d }}
{{ 'v' in d.values() }} {{ 1 in d.values() }} {{ 'b' in d.keys() }} {{ ('b', 1) in d.items() }} {{ ('b', 2) in d.items() }}
{{ 3 in range(5) }} {{ 5 in range(5) }} {{ 2.0 in range(5) }} {{ 2.5 in range(5) }} {{ 4 in range(0, 10, 3) }} {{ 3 in range(9, 0, -3) }}
{{ true and 'x' }} {{ false and 'x' }} {{ '' or 'fallback' }} {{ 1 or missing.x }} {{ not '' }} {{ not not 5 }} {{ none or false }} {{ 0 and 1 or 2 }}
{{ 'yes' if t else 'no' }} {{ 'yes' if no else 'no' }} {{ 'yes' if no }}| {{ 1 if no else 2 if no else 3 }} {{ ('a' if no) is defined }}
{{ not 1 == 2 }} {{ not n in xs }} {{ n not in xs and t }} {{ 1 + 1 is odd }} {{ 3 is odd and 2 is even }}
{{ s[0] }} {{ s[-1] }} {{ s[100] }}| {{ s[1:4] }} {{ s[:5] }} {{ s[7:] }} {{ s[::-1] }} {{ s[::2] }} {{ s[-5:-1] }} {{ s[5:1:-1] }} {{ s[100:] }}| {{ s[:-100] }}|
{{ xs[0] }} {{ xs[-1] }} {{ xs[5] }}| {{ xs[1:] }} {{ xs[:-1] }} {{ xs[::-1] }} {{ xs[-2:] }} {{ xs[10:] }} {{ xs[::2] }} {{ xs[2:0:-1] }} {{ (1,2,3)[1:] }} {{ xs[none:2] }} {{ xs[true] }}
{{ xs[::0] }}
{{ xs['a':] }}
{{ nil[1:] }}
{{ d[1:] }}
{{ missing[1:] }}
{{ xs['0'] }}| {{ xs[1.0] }}| {{ d[[1]] }}|
{{ u[0] }} {{ u[8] }} {{ u[-4] }} {{ u[-3:] }} {{ u[4:10] }} {{ u[::-1] }} {{ u|length }} {{ u[2:40:3] }}
{{ d.a }} {{ d['b'] }} {{ d.get('a') }} {{ d.get('zz') }} {{ d.get('zz', 5) }} {{ d['items'] }} {{ nested.x.y[1].z }} {{ nested['x']['y'][0] }} {{ nested.x.y.1.z }}
{{ d.items() }} {{ d.keys() }} {{ d.values() }} {{ d.items()|list }} {{ d.keys()|list }} {{ d|list }} {{ d|length }} {{ d.items()|length }} {{ {}.keys() }}
{{ d.items()[0] }}| {{ d.keys() is sequence }} {{ d.keys() is iterable }} {{ d is sequence }} {{ d.keys()|first }} {{ d.values()|last }}
{% for k, v in d.items() %}{{ k }}={{ v }};{% endfor %}
{% for k in d %}{{ k }};{% endfor %}
{% for k, v in d|items %}{{ k }}={{ v }};{% endfor %}{{ missing|items|list }}
{{ 5|items|list }}
{% for a, b in [(1, 2), [3, 4], 'xy'] %}{{ a }}-{{ b }};{% endfor %}
{% for a, (b, c) in [(1, (2, 3))] %}{{ a }}{{ b }}{{ c }}{% endfor %}
{% for a, b in [(1, 2, 3)] %}{{ a }}{% endfor %}
{% for a, b in [(1,)] %}{{ a }}{% endfor %}
{% for a, b in [1] %}{{ a }}{% endfor %}
{% for x in nil %}{{ x }}{% endfor %}
{% for x in 5 %}{{ x }}{% endfor %}
{% for x in missing %}{{ x }}{% else %}none{% endfor %}
{% for c in u[:3] %}[{{ c }}]{% endfor %}
{% for x in [] %}x{% else %}empty{% endfor %}
{% for x in xs if x > 1 %}{{ x }}{{ loop.index }}/{{ loop.length }}{% if not loop.last %},{% endif %}{% else %}none{% endfor %}
{% for x in xs if x > 9 %}{{ x }}{% else %}none{% endfor %}
{% for x in xs %}{{ loop.index }}{{ loop.index0 }}{{ loop.first }}{{ loop.last }}{{ loop.length }}{{ loop.revindex }}{{ loop.revindex0 }}{{ loop.depth }}{{ loop.depth0 }} {% endfor %}
{% for x in xs %}{{ loop.previtem }}<{{ x }}>{{ loop.nextitem }} {% endfor %}
{% for x in xs %}{{ loop.previtem is defined }}{{ loop.nextitem is defined }}{{ loop.cycle('a', 'b') }} {% endfor %}
{% for x in [1, 1, 2, 2, 1] %}{{ loop.changed(x) }} {% endfor %}
{% for x in xs|reverse %}{{ x }}{{ loop.length }}{{ loop.last }} {% endfor %}
{% for x in xs[::-1] %}{{ x }}{% endfor %}{% for i in range(3) %}{{ i }}{% endfor %}{% for i in range(5, 0, -2) %}{{ i }}{% endfor %}
{% for x in xs %}{{ loop }}{% endfor %}
{% for x in xs %}{% if loop.index == 2 %}{% continue %}{% endif %}{{ x }}{% endfor %}
{% for x in xs %}{% if loop.index == 2 %}{% break %}{% endif %}{{ x }}{% endfor %}
{% for x in xs %}{% continue %}{% else %}E{% endfor %}
{% for x in xs %}{% break %}{% else %}E{% endfor %}
{% for x in xs %}{{ x }}{% else %}E{% endfor %}
{% for x in xs %}{% for y in 'ab' %}{{ loop.index }}{{ y }}{% endfor %}{{ loop.index }} {% endfor %}
{{ loop is defined }} {{ loop }}
{{ range(3) }} {{ range(3)|list }} {{ range(1, 10, 3)|list }} {{ range(5)[2] }} {{ range(5)[-1] }} {{ range(5)[1:3]|list }} {{ range(0)|length }} {{ range(10)|last }} {{ range(2) is sequence }} {{ range(5).stop }}
{{ range(200000) }}
{{ range(1, 2, 0) }}
{{ range('a') }}
{{ s.upper() }} {{ s.lower() }} {{ s.title() }} {{ 'hello world'.capitalize() }} {{ s.swapcase() }} {{ "it's o'neil x-ray".title() }}
{{ u.upper() }} {{ u.lower() }} {{ u.title() }} {{ u.capitalize() }} {{ u.swapcase() }} {{ 'ΑΣ ΑΣΑ Σ'.lower() }} {{ 'ŉ ﬁ ǆ'.upper() }} {{ 'İI'.lower() }} {{ 'ﬁx ǆx'.title() }}
{{ words.strip() }}|{{ words.lstrip() }}|{{ words.rstrip() }}|{{ 'xxhixx'.strip('x') }}|{{ 'xyhiyx'.strip('xy') }}|{{ 'xxhixx'.lstrip('x') }}|{{ 'xxhixx'.rstrip('x') }}|{{ ' a '.strip(none) }}|{{ 'äbä'.strip('ä') }}
{{ words.split() }} {{ words.split(none, 1) }} {{ 'a,b,,c'.split(',') }} {{ 'a,b,c'.split(',', 1) }} {{ 'abc'.split('x') }} {{ ''.split() }} {{ ''.split(',') }} {{ 'a  b'.split(' ') }} {{ 'a,b,c'.split(',', maxsplit=1) }} {{ 'a b c'.split(maxsplit=1) }}
{{ words.rsplit() }} {{ words.rsplit(none, 1) }} {{ 'a,b,,c'.rsplit(',', 1) }} {{ 'a,b,c'.rsplit(',') }} {{ 'aXXbXXc'.rsplit('XX', 1) }} {{ 'aaa'.rsplit('aa') }} {{ 'aaa'.split('aa') }}
{{ 'abc'.split('') }}
{{ 'a</think>b'.split('</think>')[-1] }} {{ 'a</think>b'.split('</think>')[0].rstrip('\n').split('<think>')[-1].lstrip('\n') }}
{{ lines.splitlines() }} {{ lines.splitlines(true) }} {{ 'a\x0bb\x0cc\x1cd\x85e\u2028f'.splitlines() }} {{ ''.splitlines() }} {{ '\n'.splitlines() }}
{{ s.startswith('Hell') }} {{ s.startswith(('x', 'H')) }} {{ s.startswith('World', 7) }} {{ s.endswith('ld') }} {{ s.endswith(('a', 'b')) }} {{ s.startswith('') }} {{ s.startswith('Hello', 0, 3) }} {{ ''.startswith('', 1) }}
{{ s.startswith(1) }}
{{ s.startswith(['H']) }}
{{ s.replace('l', 'L') }} {{ s.replace('l', 'L', 1) }} {{ s.replace('', '-') }} {{ s.replace('', '-', 3) }} {{ s.replace('World', '') }} {{ 'aaaa'.replace('aa', 'b') }} {{ ''.replace('', 'x') }} {{ u.replace('ß', 'ss') }} {{ u.replace('', '.') }}
{{ s.replace('l') }}
{{ s.replace('l', 1) }}
{{ s.find('o') }} {{ s.find('o', 5) }} {{ s.find('zz') }} {{ s.rfind('o') }} {{ s.rfind('o', 0, 5) }} {{ s.index('W') }} {{ s.count('l') }} {{ s.count('') }} {{ s.count('l', 4) }} {{ u.find('你') }} {{ u.rfind('σ') }} {{ u.find('') }} {{ s.find('', 50) }} {{ s.rfind('') }}
{{ s.index('zz') }}
{{ s.rindex('o') }} {{ s.partition(', ') }} {{ s.rpartition('o') }} {{ s.partition('zz') }} {{ s.rpartition('zz') }}
{{ ', '.join(['a', 'b']) }} {{ ''.join(('x', 'y')) }} {{ '-'.join('abc') }} {{ ','.join([]) }} {{ ','.join(d) }}
{{ ','.join([1, 2]) }}
{{ ','.join(nil) }}
{{ 'abc'.isalpha() }} {{ 'ab1'.isalnum() }} {{ '123'.isdigit() }} {{ '12a'.isdigit() }} {{ '²'.isdigit() }} {{ '²'.isdecimal() }} {{ '½'.isnumeric() }} {{ ' \t'.isspace() }} {{ ''.isspace() }} {{ 'abc'.islower() }} {{ 'ABC1'.isupper() }} {{ '1'.islower() }} {{ 'é'.isascii() }} {{ 'a\n'.isprintable() }} {{ ''.isprintable() }} {{ '你'.isalpha() }}
{{ '5'.zfill(3) }} {{ '-5'.zfill(4) }} {{ 'ab'.center(7) }}| {{ 'ab'.center(6, '*') }} {{ 'abc'.center(6, '*') }} {{ 'ab'.ljust(5) }}| {{ 'ab'.rjust(5, '.') }} {{ 'ä'.rjust(3, 'é') }} {{ '+'.zfill(3) }} {{ ''.zfill(2) }}
{{ 'ab'.center(5, '**') }}
{{ 'prefix-x'.removeprefix('prefix-') }} {{ 'x.txt'.removesuffix('.txt') }} {{ 'x'.removeprefix('y') }} {{ 'x'.removesuffix('') }}
{{ '{} and {}'.format('a', 1) }} {{ '{0}{1}{0}'.format('a', 'b') }} {{ '{name}: {v:.2f}'.format(name='n', v=3.14159) }} {{ '{:>5}|{:<5}|{:^5}|{:05d}|{:+d}|{:x}|{:,}'.format('a', 'b', 'c', 42, 7, 255, 1234567) }} {{ '{{}}'.format() }} {{ '{d[a]} {p.name}'.format(d=d, p=people[0]) }} {{ '{!r}'.format('x') }} {{ '{:{w}}|'.format('x', w=4) }} {{ '{:*^9}'.format('mid') }} {{ '{:e} {:g} {:%}'.format(12345.678, 0.00001, 0.25) }} {{ '{:b} {:#x} {:o}'.format(5, 255, 8) }} {{ '{}'.format(none) }} {{ '{:.3}'.format('abcdef') }}
{{ '{} {}'.format('a') }}
{{ '{'.format() }}
{{ '{x}'.format(y=1) }}
{{ '{:d}'.format('a') }}
{{ '%s is %d' % ('x', 5) }} {{ '%s' % 'one' }} {{ '%5.2f|%-5s|%05d|%x|%%' % (3.14159, 'ab', 42, 255) }} {{ '%(a)s %(b)s' % d }} {{ '%s' % none }} {{ '%r' % 'q' }} {{ '%d' % 3.9 }} {{ '%s' % [1, 2] }} {{ '%+d % d' % (5, 5) }} {{ '%c%c' % ('a', 98) }} {{ '%e' % 12345.678 }} {{ '%g' % 0.0001 }} {{ '%.3s|' % 'abcdef' }} {{ '%10s|' % 'ä' }} {{ '%s' % missing }}
{{ '%s %s' % ('a',) }}
{{ '%s' % ('a', 'b') }}
{{ '%d' % 'a' }}
{{ '%q' % 1 }}
{{ 'abc' % 1 }}
{{ '%s-%s'|format('a', 'b') }} {{ '%(x)s'|format(x=1) }}
{{ xs.append(1) }}
{{ xs.append }}|{{ xs.append is defined }}|{{ d.update is defined }}
{{ d.pop('a') }}
{{ xs.index(2) }} {{ xs.count(1) }} {{ (1, 2, 1).count(1) }} {{ [1, 2, 1].index(1, 1) }} {{ xs.copy() }} {{ d.copy() }}
{{ xs.index(99) }}
{{ s.__class__ }}|{{ s.__class__ is defined }}
{{ s.__class__.mro }}
{{ ''.__class__.__mro__[1].__subclasses__() }}
{{ s['__class__'] }}|
{{ d._private }}|{{ {'_x': 1}._x }}
{{ s['upper']() }} {{ d['get']('a') }} {{ xs['count'](1) }}
{{ 5() }}
{{ s() }}
{{ d.a() }}
{{ [1, 2, 3]|first }} {{ [1, 2, 3]|last }} {{ []|first }}| {{ ''|last }}| {{ 'abc'|first }} {{ 'abc'|last }} {{ d|first }} {{ d|last }}
{{ []|first is defined }} {{ ([]|first).x }}
{{ 5|first }}
{{ nil|length }}
{{ 5|length }}
{{ missing|length }} {{ s|length }} {{ xs|count }} {{ ''|length }}
{{ (xs|map('string'))|length }}
{{ xs|join }} {{ xs|join(', ') }} {{ people|join(', ', attribute='name') }} {{ mixed|join('|') }} {{ missing|join(',') }} {{ 'abc'|join('-') }} {{ xs|join(1) }} {{ [none, missing]|join(',') }}
{{ nil|join(',') }}
{{ s|upper }} {{ s|lower }} {{ s|title }} {{ s|capitalize }} {{ 'foo-bar (baz) [qux] x_y'|title }} {{ nil|upper }} {{ 5|lower }} {{ missing|upper }}| {{ "it's"|title }} {{ 'ǆ ﬁ'|title }}
{{ words|trim }}| {{ 'xxaxx'|trim('x') }} {{ 5|trim }} {{ nil|trim }} {{ missing|trim }}|
{{ s|replace('l', 'L') }} {{ s|replace('l', 'L', 1) }} {{ s|replace('o', 0) }} {{ 5|replace('5', 'x') }} {{ 'aaa'|replace('a', 'b', count=2) }}
{{ lines|indent }} {{ lines|indent(2) }} {{ lines|indent(2, true) }} {{ lines|indent(2, first=true, blank=true) }} {{ lines|indent('> ') }} {{ 'x'|indent(first=true) }} {{ ''|indent }}| {{ 'a\n'|indent(2) }}|
{{ missing|indent }}
{{ 5|indent }}
{{ xs|list }} {{ 'abc'|list }} {{ (1, 2)|list }} {{ d|list }} {{ missing|list }} {{ range(3)|list }}
{{ nil|list }}
{{ 5|list }}
{{ xs|sort }} {{ names|sort }} {{ names|sort(case_sensitive=true) }} {{ xs|sort(reverse=true) }} {{ people[:3]|sort(attribute='age')|map(attribute='name')|list }} {{ people[:3]|sort(attribute='age,name', reverse=true)|map(attribute='name')|list }} {{ 'bca'|sort }} {{ d|sort }} {{ [true, 0, 1.5]|sort }} {{ [[2, 1], [1, 2]]|sort }}
{{ mixed|sort }}
{{ people|sort(attribute='age') }}
{{ people|sort(attribute='nope')|map(attribute='name')|join }}
{{ d|dictsort }} {{ d|dictsort(true) }} {{ {'x': 2, 'y': 1}|dictsort(by='value') }} {{ d|dictsort(reverse=true) }} {{ d|dictsort(false, 'key') }}
{{ d|dictsort(by='nope') }}
{{ xs|dictsort }}
{{ xs|reverse|list }} {{ 'abc'|reverse }} {{ u|reverse }} {{ (1, 2)|reverse|list }} {{ d|reverse|list }} {{ range(3)|reverse|list }} {{ xs|reverse|first }}
{{ 5|reverse }}
{{ xs|reverse|length }}
{{ [1, 'a', 1, 'A', 2]|unique|list }} {{ [1, 'a', 1, 'A']|unique(case_sensitive=true)|list }} {{ people|unique(attribute='city')|map(attribute='name')|list }} {{ [1, 1.0, true]|unique|list }}
{{ [[1], [1]]|unique|list }}
{{ xs|min }} {{ xs|max }} {{ names|min }} {{ names|max }} {{ []|min }}| {{ names|max(case_sensitive=true) }} {{ people[:3]|max(attribute='age') }} {{ 'bca'|min }}
{{ mixed|max }}
{{ xs|sum }} {{ xs|sum(start=10) }} {{ people[:3]|sum(attribute='age') }} {{ [1.5, 2]|sum }} {{ []|sum }} {{ [[1], [2]]|sum(start=[]) }}
{{ ['a']|sum }}
{{ -5|abs }} {{ (-5)|abs }} {{ neg|abs }} {{ -2.5|abs }} {{ true|abs }}
{{ s|abs }}
{{ 42.55|round }} {{ 42.55|round(1) }} {{ 42.55|round(1, 'floor') }} {{ 42.51|round(method='ceil') }} {{ 42|round }} {{ 2.5|round }} {{ 3.5|round }} {{ -2.5|round }} {{ 2.675|round(2) }} {{ 1234|round(-2) }} {{ 1250|round(-2) }} {{ 1234.5|round(-2) }} {{ 42.55|round|int }} {{ 5|round(2, 'floor') }} {{ 0.5|round }} {{ 1e300|round(2) }}
{{ 'x'|round }}
{{ 1|round(method='x') }}
{{ '42'|int }} {{ '42.9'|int }} {{ 'x'|int }} {{ 'x'|int(7) }} {{ 3.99|int }} {{ -3.99|int }} {{ nil|int }} {{ true|int }} {{ '0x1f'|int(base=16) }} {{ '1f'|int(0, 16) }} {{ '101'|int(base=2) }} {{ ' 7 '|int }} {{ '1_000'|int }} {{ '-5'|int }} {{ ''|int }} {{ '1e3'|int }} {{ 'inf'|int }} {{ xs|int }} {{ '0b11'|int(base=0) }} {{ '012'|int }} {{ '+3'|int }} {{ '1__0'|int }}
{{ missing|int }}
{{ '4.5'|float }} {{ 'x'|float }} {{ 'x'|float(1.5) }} {{ 3|float }} {{ nil|float }} {{ '1e5'|float }} {{ ' 2 '|float }} {{ '1_0.5'|float }} {{ 'nan'|float }} {{ '-inf'|float }} {{ '.5'|float }} {{ '5.'|float }} {{ '0x10'|float }} {{ 'infinity'|float }} {{ '1e'|float }} {{ '1_'|float }}
{{ 5|string }} {{ xs|string }} {{ nil|string }} {{ s|string }} {{ missing|string }}| {{ 1.0|string }} {{ (5|string) + 'x' }}
{{ xs|map('string')|list }} {{ names|map('upper')|list }} {{ people|map(attribute='name')|list }} {{ people|map(attribute='tags.0')|list }} {{ people|map(attribute='tags', default='-')|list }} {{ people|map('length')|list }} {{ ['a b', 'c']|map('replace', ' ', '_')|join(',') }} {{ nil|map('upper')|list }} {{ [[1, 2], [3]]|map('first')|list }} {{ [[1, 2], [3]]|map(attribute=0)|list }} {{ [' a ']|map('trim')|first }}
{{ xs|map|list }}
{{ xs|map('nosuch')|list }}
{{ xs|map('upper', 'x')|list }}
{{ 5|map('upper')|list }}
{{ xs|select('odd')|list }} {{ xs|select('gt', 1)|list }} {{ mixed|select|list }} {{ mixed|select('string')|list }} {{ xs|select('in', [1, 2])|list }} {{ xs|select('==', 2)|list }} {{ nil|select|list }} {{ xs|select('divisibleby', 3)|list }}
{{ xs|reject('odd')|list }} {{ mixed|reject('none')|list }} {{ xs|reject('equalto', 3)|list }} {{ mixed|reject|list }}
{{ people|selectattr('age', 'gt', 30)|list }}
{{ people|selectattr('age')|map(attribute='name')|list }} {{ people|selectattr('tags', 'defined')|map(attribute='name')|list }} {{ people|rejectattr('tags')|map(attribute='name')|list }} {{ people|selectattr('city', 'equalto', 'Oslo')|map(attribute='name')|first }} {{ people|rejectattr('age', 'none')|map(attribute='age')|sum }} {{ messages|selectattr('role', 'equalto', 'user')|list|length }} {{ messages|selectattr('role', 'in', ['user', 'system'])|map(attribute='content')|join('|') }} {{ messages|rejectattr('role', '==', 'user')|map(attribute='role')|list }}
{% if people|selectattr('name', 'equalto', 'Nobody') %}always true{% endif %}
{% if people|selectattr('name', 'equalto', 'Nobody')|list %}found{% else %}none{% endif %}
{% set g = xs|map('string') %}{{ g|list }}{{ g|list }}
{% set r = xs|reverse %}{{ r|list }}{{ r|list }}{{ r is iterable }}{{ r is sequence }}
{{ (xs|map('string'))[0] }}|{{ xs|select('odd')|first }}|{{ xs|select('odd')|join(',') }}
{{ xs|select('odd')|last }}
{{ people|groupby('city') }} {% for city, group in people|groupby('city') %}{{ city }}:{{ group|map(attribute='name')|join(',') }};{% endfor %}
{% for g in people|groupby('city', case_sensitive=true) %}{{ g.grouper }}={{ g.list|length }};{% endfor %}{% for g in people|groupby('tags', default='x') %}{% endfor %}
{% for g in people|groupby('zip', default='none') %}{{ g.grouper }}={{ g.list|length }}{{ g[0] }};{% endfor %}
{{ range(7)|batch(3)|list }} {{ range(7)|batch(3, 'x')|list }} {{ []|batch(2)|list }} {{ range(7)|slice(3)|list }} {{ range(7)|slice(3, 'x')|list }} {{ range(2)|slice(4)|list }}
{{ range(7)|slice(0)|list }}
{{ s|wordcount }} {{ words|wordcount }} {{ u|wordcount }} {{ 'a_b c-d'|wordcount }} {{ 'foo bar baz qux'|truncate(9) }} {{ 'foo bar baz qux'|truncate(9, true) }} {{ 'foo bar baz qux'|truncate(11) }} {{ 'foo bar baz qux'|truncate(11, false, '...', 0) }} {{ 'ab'|center(6) }}|
{{ html|e }} {{ html|escape|e }} {{ html|safe }} {{ html|safe|e }} {{ 5|e }} {{ (html|e) ~ '<' }} {{ (html|safe) + '<b>' }} {{ '<b>' + ('<'|e) }} {{ [html|safe] }} {{ (html|safe)|upper }} {{ (html|e)|length }} {{ (html|safe) == html }} {{ html|forceescape }} {{ ('<'|e) * 2 }} {{ ('<>'|e)[0] }} {{ (html|e) is escaped }} {{ html is escaped }} {{ nil|e }} {{ html|safe|tojson }}
{{ s|attr('upper') is defined }} {{ d|attr('a') is defined }} {{ s|attr('zz') is defined }} {{ (s|attr('upper'))() }}
{{ d|tojson }} {{ mixed|tojson }} {{ nested|tojson }} {{ u|tojson }} {{ html|tojson }} {{ nil|tojson }} {{ t|tojson }} {{ f|tojson }} {{ 1e100|tojson }} {{ s|tojson }} {{ (1, 2)|tojson }} {{ [1.0, 2.50]|tojson }} {{ 'nan'|float|tojson }} {{ '-inf'|float|tojson }} {{ big|tojson }}
{{ nested|tojson(indent=2) }} {{ mixed|tojson(indent=4) }} {{ []|tojson(indent=2) }} {{ {}|tojson(indent=2) }} {{ [[]]|tojson(indent=1) }} {{ nested|tojson(indent='\t') }} {{ xs|tojson(indent=0) }}
{{ d|tojson(sort_keys=true) }} {{ u|tojson(ensure_ascii=true) }} {{ u|tojson(true) }} {{ d|tojson(separators=(',', ':')) }} {{ d|tojson(separators=[',', ': '], indent=1) }} {{ 'a\x7f\x00\x1f\u2028\\"/'|tojson }} {{ 'a\x7f\u2028'|tojson(ensure_ascii=true) }} {{ '\b\f\n\r\t'|tojson }}
{{ {1: 'a', none: 'b', true: 'c', 2.5: 'd'}|tojson }} {{ {(1, 2): 3} }} {{ {'a': 1, 'a': 2} }} {{ {1: 'a', 1.0: 'b', true: 'c'} }}
{{ {(1, 2): 3}|tojson }}
{{ missing|tojson }}
{{ [missing]|tojson }}
{{ range(3)|tojson }}
{{ d.keys()|tojson }}
{{ (xs|map('string'))|tojson }}
{{ {[1]: 2} }}
{{ d|tojson(separators='x') }}
{{ d|tojson(nope=1) }}
{{ 'a\'b' }} {{ "a\"b" }} {{ ['a\'b', "a\"b", 'a\'b"c', 'a\\b', 'a\nb\tc\r', '\x00\x7f\xa0\u200b', 'é你😀', '\u2028', ''] }}
{{ 'a' 'b' "c" }} {{ '\x41\u00e9\U0001F600\101\q' }} {{ 'line\
cont' }} {{ "tab\there" }} {{ '\a\v'|list }}
{{ 1_000 }} {{ 0x1F }} {{ 0b101 }} {{ 0o17 }} {{ 1_0.5 }} {{ 00 }} {{ 1E2 }} {{ 1.5E+3 }}
{{ 1.e5 }}
{{ True }} {{ False }} {{ None }} {{ true }} {{ none }} {{ {'a': true, 'b': None} }}
{{ n is defined }} {{ n is undefined }} {{ nil is none }} {{ n is none }} {{ nil is not none }} {{ n is number }} {{ t is number }} {{ f is number }} {{ s is number }}
{{ s is string }} {{ n is string }} {{ d is mapping }} {{ xs is mapping }} {{ xs is iterable }} {{ s is iterable }} {{ n is iterable }} {{ nil is iterable }} {{ missing is iterable }} {{ xs is sequence }} {{ s is sequence }} {{ n is sequence }} {{ missing is sequence }} {{ d is iterable }}
{{ n is integer }} {{ t is integer }} {{ f is integer }} {{ f is float }} {{ n is float }} {{ t is boolean }} {{ n is boolean }} {{ t is true }} {{ no is false }} {{ 1 is true }} {{ 0 is false }}
{{ 3 is odd }} {{ 4 is odd }} {{ 4 is even }} {{ 9 is divisibleby 3 }} {{ 9 is divisibleby(4) }} {{ 2.0 is even }} {{ true is odd }}
{{ s is odd }}
{{ nil is even }}
{{ 1 is eq 1 }} {{ 1 is equalto 2 }} {{ 1 is == 1 }}
{{ 1 is ne 2 }} {{ 1 is lt 2 }} {{ 1 is le 1 }} {{ 2 is gt 1 }} {{ 2 is ge 3 }} {{ 1 is lessthan 2 }} {{ 1 is greaterthan 2 }} {{ 1 is in [1, 2] }} {{ 1 is not in xs }} {{ 'a' is in 'abc' }} {{ 1 is sameas 1 }} {{ nil is sameas none }} {{ t is sameas true }} {{ 1 is sameas true }} {{ xs is sameas xs }} {{ [1] is sameas [1] }}
{{ range is callable }} {{ s is callable }} {{ s.upper is callable }} {{ missing is callable }} {{ raise_exception is defined }} {{ strftime_now is callable }} {{ namespace is callable }} {{ nosuch is defined }}
{{ 'abc' is lower }} {{ 'ABC' is upper }} {{ 'Abc' is lower }} {{ 5 is lower }} {{ nil is upper }} {{ 'trim' is filter }} {{ 'nofilter' is filter }} {{ 'odd' is test }} {{ 'tojson' is filter }}
{{ n is nosuchtest }}
{{ n|nosuchfilter }}
{{ not n is defined }} {{ n is not defined }} {{ (n is defined) and (s is string) }} {{ n is defined and n > 5 }} {{ 'x' if n is defined and s is not none else 'y' }}
{{ d.a is defined and d.a == 2 }} {{ d.zz is defined and d.zz }} {{ ('a' in d) == true }} {{ xs|length > 2 }} {{ xs|length - 1 }} {{ n + xs|length }} {{ -xs|length }} {{ not xs|length }}
{{ s|upper|lower|title }} {{ (s|upper)[0] }} {{ s|upper ~ '!' }} {{ 'a' ~ s|upper }} {{ s.upper().lower() }} {{ s.split(',')[0]|upper }} {{ xs|first + 1 }}
{{ dict(a=1, b=2) }} {{ dict([('x', 1)]) }} {{ dict(d, z=1) }} {{ dict() }} {{ dict(a=1).a }} {{ dict({'q': 1}).q }}
{{ dict(1) }}
{{ dict(xs) }}
{{ namespace(a=1).a }} {{ namespace(a=1) }} {{ namespace({'x': 1}, y=2) }} {{ namespace().zz is defined }} {{ namespace(a=1)['a'] }}
{{ namespace(_a=1) }}
{{ raise_exception('boom') }}
{{ raise_exception() }}
{{ raise_exception(5) }}
{{ strftime_now('%Y-%m-%d %H:%M:%S') }} {{ strftime_now('%d %b %Y') }} {{ strftime_now('%A %B %j %p %I %y %a %-d %e %%') }} {{ strftime_now('') }} {{ strftime_now('plain') }} {{ strftime_now('%z|%Z|') }}
{{ strftime_now(5) }}
{{ ns.x }}
{% print s, n %}
{% set x = 5 %}{{ x }}{% set x, y = 1, 2 %}{{ x }}{{ y }}{% set (a, b) = 'pq' %}{{ a }}{{ b }}{% set z = 1, %}{{ z }}
{% set x, y = 1 %}
{% set x, y = [1, 2, 3] %}
{% set d.x = 1 %}
{% set ns = namespace(a=1) %}{% set ns.a = ns.a + 1 %}{% set ns.b = 'new' %}{{ ns.a }}{{ ns.b }}{{ ns }}
{% set ns = namespace() %}{% set ns._x = 1 %}
{% set nosuch.x = 1 %}
{% set x %}block {{ n }}{% endset %}[{{ x }}] {{ x|length }}
{% set x | upper | replace('B', 'V') %}block {{ n }}{% endset %}[{{ x }}]
{% set ns = namespace() %}{% set ns.x %}abc{% endset %}{{ ns.x }}
{% with a = 1, b = n %}{{ a }}{{ b }}{% endwith %}{{ a is defined }}
{% with %}{% set q = 1 %}{{ q }}{% endwith %}{{ q is defined }}
{% filter upper %}shout {{ s }}{% endfilter %} {% filter replace('a', 'b')|trim %} aaa {% endfilter %}|
{% filter length %}abc{% endfilter %}
{% call s.upper() %}x{% endcall %}
{{ range(10)[::3] }} {{ range(10)[2:7] }} {{ range(10)[8:2] }} {{ range(10)[::-4] }} {{ range(10)[::-4]|list }} {{ range(0, 20, 3)[1:4] }} {{ range(5)[9:] }}
{{ -15|round(-1) }} {{ (-15)|round(-1) }} {{ (-25)|round(-1) }} {{ (-14)|round(-1) }} {{ (-16)|round(-1) }} {{ 15|round(-1) }} {{ 25|round(-1) }} {{ (-1250)|round(-2) }}
{% set q = namespace() %}{% set q.x = xs|map('string') %}{{ q.x|list }}{{ q.x|list }}
{% set x | length %}abc{% endset %}{{ x + 1 }}
{% raw %}{{ not }} {% rendered %}{% endraw %} {%- raw -%}  x  {%- endraw -%} y
{# comment #}a{#- trimmed -#} b {# multi
line #}c
{% macro m(a, b='B', c=none) %}[{{ a }}{{ b }}{{ c }}]{% endmacro %}{{ m(1) }}{{ m(1, 2) }}{{ m(1, c=3) }}{{ m(a='x', b='y', c='z') }}{{ m() }}
{% macro m(a) %}{{ a }}{% endmacro %}{{ m(1, 2) }}
{% macro m(a) %}{{ a }}{% endmacro %}{{ m(b=2) }}
{% macro m(a) %}{{ a }}{{ varargs }}{{ kwargs }}{% endmacro %}{{ m(1, 2, 3, x=4) }}{{ m() }}
{% macro m(a, b=a) %}{{ a }}{{ b }}{% endmacro %}{{ m(1) }}
{% macro m(a=b, b=2) %}{{ a }}{{ b }}{% endmacro %}{{ m() }}
{% macro m() %}{{ caller() }}|{{ caller is defined }}{% endmacro %}{% call m() %}body {{ n }}{% endcall %}
{% macro m(xs) %}{% for x in xs %}{{ caller(x, loop.index) }}{% endfor %}{% endmacro %}{% call(v, i) m(xs) %}<{{ v }}:{{ i }}>{% endcall %}
{% macro m() %}x{% endmacro %}{% call m() %}y{% endcall %}
{% macro m() %}{{ caller() }}{% endmacro %}{{ m() }}
{% macro fact(n) %}{% if n <= 1 %}1{% else %}{{ n * (fact(n - 1)|int) }}{% endif %}{% endmacro %}{{ fact(10) }}
{% macro tree(x) %}{% if x is mapping %}{ {%- for k, v in x.items() %}{{ k }}:{{ tree(v) }}{% if not loop.last %},{% endif %}{% endfor -%} }{% elif x is string %}{{ x }}{% elif x is iterable %}[{% for v in x %}{{ tree(v) }}{% endfor %}]{% else %}{{ x }}{% endif %}{% endmacro %}{{ tree(nested) }}
{% macro m() %}{{ n }}{% endmacro %}{{ m }}{{ m.name }}{{ m.arguments }}{{ m() ~ m() }}{{ m()|int + 1 }}
{% macro m(a, b) %}{{ a }}{{ b }}{% endmacro %}{{ m(*[1, 2]) }}{{ m(**{'a': 3, 'b': 4}) }}{{ m(5, *(6,)) }}
{% macro a() %}A{{ b() }}{% endmacro %}{% macro b() %}B{% endmacro %}{{ a() }}
{{ later() }}{% macro later() %}x{% endmacro %}
{% if no %}a{% elif nil %}b{% elif n %}c{% else %}d{% endif %}{% if xs %}x{% endif %}{% if not d %}y{% endif %}{% if '' %}{% elif [] %}{% else %}else{% endif %}
{% if n == 7 and (s or nil) %}ok{% endif %}{% if n in [7, 8] %}in{% endif %}{% if 1, 2 %}tuple{% endif %}
{% generation %}gen {{ n }}{% set q = 1 %}{% endgeneration %}{{ q is defined }}
{% if %}x{% endif %}
{% for x in %}x{% endfor %}
{% unknown %}
{% endif %}
{% if n %}x
{{ n
{% set x = %}
{# unclosed
{{ 'unclosed }}
{% raw %}x
{{ n + }}
{{ }}
{{ (1, }}
{{ [1, 2 }}
{{ {'a' 1} }}
{{ f(a=1, 2) }}
{{ f(**d, *xs) }}
{{ n is }}
{{ n| }}
{{ n.5x }}
{{ 1 = 2 }}
{{ $ }}
{{ n ! 2 }}
{% for true in xs %}{% endfor %}
{% set none = 1 %}
{% macro m(a, a) %}{% endmacro %}
{% macro m(a=1, b) %}{% endmacro %}
{% break %}
{% for loop in xs %}{% endfor %}
{% for x in xs %}{% set loop = 1 %}{% endfor %}
{% call n %}{% endcall %}
{% for x in xs %}{% macro m() %}{% break %}{% endmacro %}{% endfor %}
"""

SCOPES = [
    # Loops have scopes of their own; conditions do not.
    "{% set x = 1 %}{% for i in xs %}{% set x = i %}{{ x }}{% endfor %}{{ x }}",
    "{% set x = 1 %}{% for i in xs %}{{ x }}{% set x = x + i %}{{ x }} {% endfor %}{{ x }}",
    "{% if t %}{% set x = 1 %}{% endif %}{{ x }}",
    "{% if no %}{% set n = 1 %}{% endif %}{{ n }}",
    "{% for i in xs %}{% if i == 1 %}{% set q = i %}{% endif %}{{ q }}|{% endfor %}",
    "{% for i in xs %}{% if i == 1 %}{% set n = i %}{% endif %}{{ n }}|{% endfor %}{{ n }}",
    "{{ n }}{% set n = 1 %}{{ n }}",
    "{% for i in xs %}{{ n }}{% endfor %}{% set n = 1 %}{{ n }}",
    "{% macro m() %}{{ n }}{% endmacro %}{{ m() }}{% set n = 1 %}{{ m() }}",
    "{% macro m() %}{% set n = 5 %}{{ n }}{% endmacro %}{{ m() }}{{ n }}",
    "{% macro m() %}{{ n }}{% set n = 5 %}{{ n }}{% endmacro %}{{ m() }}{{ n }}",
    "{% set found = false %}{% for i in xs %}{% if i == 1 %}{% set found = true %}{% endif %}{% endfor %}{{ found }}",
    "{% set ns = namespace(found=false) %}{% for i in xs %}{% if i == 1 %}{% set ns.found = true %}{% endif %}{% endfor %}{{ ns.found }}",
    "{% set ns = namespace(i=0) %}{% macro bump() %}{% set ns.i = ns.i + 1 %}{{ ns.i }}{% endmacro %}{{ bump() }}{{ bump() }}{{ ns.i }}",
    "{% for x in xs %}{% for x in names %}{{ x }}{% endfor %}{{ x }}{% endfor %}{{ x }}",
    "{% for x in xs %}{% set y = x %}{% for z in xs %}{% set y = y + z %}{{ y }} {% endfor %}{{ y }};{% endfor %}",
    "{% with n = 1 %}{% with n = n + 1 %}{{ n }}{% endwith %}{{ n }}{% endwith %}{{ n }}",
    "{% set x = 1 %}{% with %}{% set x = 2 %}{{ x }}{% endwith %}{{ x }}",
    "{% set x = 1 %}{% set y %}{% set x = 2 %}{{ x }}{% endset %}{{ x }}{{ y }}",
    "{% set x = 1 %}{% filter upper %}{% set x = 2 %}{{ x }}{% endfilter %}{{ x }}",
    # Loop filters see the outer names and run as the loop goes on.
    "{% set ns = namespace(stop=false) %}{% for x in xs if not ns.stop %}{{ x }}{% set ns.stop = x == 1 %}{% endfor %}",
    "{% set ns = namespace(stop=false) %}{% for x in xs if not ns.stop %}{{ loop.last }}{{ x }}{% set ns.stop = x == 1 %}{% endfor %}",
    "{% for x in xs if loop is defined %}{{ x }}{% else %}no loop{% endfor %}",
    "{% for a in xs %}{% for b in xs if b > a %}{{ a }}<{{ b }} {% endfor %}{% endfor %}",
    "{% for x in xs if x != n %}{{ loop.revindex }}{{ loop.nextitem }} {% endfor %}",
    # Loop variables that escape, and what happens around break.
    "{% set ns = namespace() %}{% for x in xs %}{% set ns.l = loop %}{% endfor %}{{ ns.l.index }}{{ ns.l.length }}",
    "{% for x in xs %}{% if x == 1 %}{% set y %}a{% break %}b{% endset %}{% endif %}{{ x }}{% endfor %}",
    "{% for x in xs %}{% for y in xs %}{% if y == 1 %}{% break %}{% endif %}{{ y }}{% endfor %}{{ x }}{% endfor %}",
    "{% for x in messages %}{% if (x.role == 'user') != (loop.index0 % 2 == 1) %}bad{% endif %}{{ loop.index0 }}{% endfor %}",
    # Macros close over the scope they were defined in.
    "{% for x in xs %}{% macro m() %}{{ x }}{% endmacro %}{{ m() }}{% endfor %}{{ m is defined }}",
    "{% macro outer() %}{% macro inner() %}in{{ n }}{% endmacro %}{{ inner() }}{% endmacro %}{{ outer() }}",
    "{% macro m(a) %}{% set a = a ~ '!' %}{{ a }}{% endmacro %}{{ m('x') }}{{ m('y') }}",
    "{% macro m(caller=none) %}{{ caller }}{% endmacro %}{{ m() }}",
    "{% macro outer() %}<{{ caller() }}>{% endmacro %}{% macro mid() %}{% call outer() %}[{{ caller() }}]{% endcall %}{% endmacro %}{% call mid() %}x{% endcall %}",
    "{% for x in xs %}{% call(y) m2(x) %}{{ x }}{{ y }}{% endcall %}{% endfor %}{% macro m2(v) %}{{ caller(v) }}{% endmacro %}",
    "{% macro m2(v) %}{{ caller(v) }}{% endmacro %}{% for x in xs %}{% call(y) m2(x) %}{{ x }}{{ y }} {% endcall %}{% endfor %}",
    # Unrun branches and unknown names.
    "{% if no %}{% set later = 1 %}{% endif %}{{ later is defined }}",
    "{% if no %}{% set s = 1 %}{% else %}{{ s }}{% endif %}{{ s }}",
    "{% for m in messages %}{% if m.role == 'system' %}{% set sys = m.content %}{% else %}{{ sys }}{{ m.content }}{% endif %}{% endfor %}",
    "{% if messages[0].role == 'system' %}{% set rest = messages[1:] %}{% set sys = messages[0].content %}{% else %}{% set rest = messages %}{% endif %}{{ sys }}{% for m in rest %}{{ m.role }}{% endfor %}",
    "{% for range in xs %}{{ range }}{% endfor %}{{ range(2)|list }}",
    "{% set range = 5 %}{{ range }}",
    "{% set _ = xs|length %}{{ _ }}{% set namespace = 1 %}{{ namespace }}",
    # White space.
    "a\n  {% if t %}\n  b\n  {% endif %}\nc",
    "a\n  {%- if t -%}\n  b\n  {%- endif -%}\nc",
    "a  {{- ' b ' -}}  c",
    "a\n\n{%- set x = 1 %}\n\nb",
    "  {% set x = 1 %}  \n  {{ x }}  \n",
    "x {%+ if t %} y{% endif +%}\nz",
    "\t{# c #}\n\t{#- c -#}\n\tq",
    "{% for x in xs %}\n{{ x }}\n{% endfor %}\n\n",
    "line\r\n{% if t %}\r\nyes\r{% endif %}\r\nend\r\n",
    "{%- for x in xs %}\n    {{- x }}\n{%- endfor %}\n",
    "   {{ n }}\n   {%- if t %} a {%- endif %}   \n",
    "{{ n }}\n\n{% raw %}\n  raw\n  {% endraw %}\nafter",
    "a {%- raw %} b {% endraw -%} c",
    "{% if t %}{{ '{%' }}{{ \"}}\" }}{% endif %}",
    "{{ {'a': {'b': 1}}['a']['b'] }}{{ {} }}{{ {'x': [1, {'y': 2}]}}}",
    "{{n}}{{-n-}}{{ -n -}} x",
    "\u00a0{%- if t -%}\u2003x{% endif %}",
    "{% if t %}\n\n  two{% endif %}\n",
    "{% set x = 1 -%}\n\n  y",
    "{{ '\n' }}{{ \"a\nb\" }}",
    "",
    "\n",
    "\n\n",
    "{",
    "{ {",
    "a { b } c %} d }}",
    "{{ 'x' }}{",
]


def cases():
    # A backslash at the end of a line belongs to the case.
    joined, pending = [], ""
    for line in CASES.strip("\n").split("\n"):
        pending += line
        if pending.endswith("\\"):
            pending += "\n"
            continue
        joined.append(pending)
        pending = ""
    return joined + SCOPES
