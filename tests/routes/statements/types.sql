-- engine
select * from wide;

-- engine
select dict, count(*) from wide group by dict;

-- engine
select id from wide where dict = 'a';

-- engine
select dict || '!' as d, upper(cast(dict as text)) as u from wide;

-- engine
select a.id, b.id from wide a join wide b on a.dict = b.dict;

-- engine
select id, numbers, numbers + 1 as more from wide where numbers > 1;

-- engine
select large || 'x' as x, length(large) as n from wide where large <> '';

-- engine
select text_view, text_view || large as both from wide where text_view like 'a%';

-- engine
select a.id, b.id from wide a join wide b on a.text_view = b.large;

-- engine
select large_bytes, view_bytes, fixed from wide where view_bytes = x'61' or fixed = x'6162';

-- engine
select half, half + half as two, half > cast(id as real) as big from wide;

-- session: Float16
select half > arrow_cast(1, 'Float16') as big from wide;

-- engine
select half, count(*) from wide group by half;

-- session: Float16
select arrow_cast(1.5, 'Float16') as half, id from wide;

-- engine
select sum(small), sum(middle), sum(big), sum(huge) from wide;

-- engine
select big + 1 as more, huge * 2 as double, huge / 3 as third, middle - small as less from wide where id > 1;

-- engine
select cast(big as decimal(38, 1)) as less, arrow_cast(small, 'Decimal256(60, 4)') as more from wide where id > 1;

-- engine
select arrow_cast('1.23', 'Decimal256(60, 4)') as d, 12345678901234567890123456789012345678 as h from wide;

-- engine
select id, date '2020-01-31' + months as later, months from wide;

-- engine
select interval '1 year 2 months 3 days 4.5 seconds' as i, interval '1' month as m;

-- engine
select id, elapsed, elapsed + elapsed as double from wide;

-- engine
select seconds, nanos, clock, clock_ns, berlin, day_ms, date_trunc('hour', berlin) as hour from wide;

-- engine
select arrow_typeof(berlin) as b, arrow_typeof(nanos) as n, berlin at time zone 'Asia/Tokyo' as t from wide;

-- engine
select cast(berlin as text) as b, cast(nanos as text) as n, to_char(berlin, '%H:%M') as c from wide;

-- engine
select byte, ubyte, ulong, ubyte + byte as s, ulong / 2 as h from wide where ulong >= 0;

-- engine
select list, list[1] as first, array_length(list) as n, large_list, fixed_list from wide;

-- engine
select id, unnest(list) as item from wide;

-- engine
select id, unnest(large_list) as a, unnest(fixed_list) as b from wide;

-- engine
select id, unnest(pair) from wide;

-- engine
select pair, pair['x'] as x, wide.pair.y as y from wide where pair['x'] > 1;

-- engine
select map, map['a'] as a, map_keys(map) as k from wide;

-- engine
select nothing, coalesce(nothing, id) as c from wide;

-- engine
select list_view from wide;

-- engine
select encoded from wide;

-- engine
select array_agg(large) as l, array_agg(text_view) as v, array_agg(dict) as d, array_agg(pair) as s from (select * from wide order by id);

-- engine
select named_struct('a', id, 'b', [large, 'x']) as made, map(['k'], [id]) as m, struct(id, text_view) as s from wide;

-- engine
select max(text_view), min(large), max(dict), max(view_bytes), max(pair), min(half), max(huge), max(berlin), max(elapsed), min(months) from wide;

-- engine
select distinct text_view, fixed from wide;

-- engine
select id, row_number() over (partition by dict order by text_view) as n, max(half) over (order by id) as h from wide;

-- engine
select x'00ff' as bytes, 'text' as text, 1.5 as real, true as yes, null as nothing, date '2020-01-01' as d, timestamp '2020-01-01 00:00:00.123456789' as t, time '01:02:03' as c;

-- engine
select arrow_cast('a', 'Dictionary(Int32, Utf8)') as d, arrow_cast('a', 'LargeUtf8') as l, arrow_cast('a', 'Utf8View') as v, arrow_cast(x'61', 'BinaryView') as b;

-- engine
select arrow_cast(timestamp '2020-01-01 00:00:00', 'Timestamp(Second, Some("Europe/Berlin"))') as z, arrow_cast(1, 'Duration(Second)') as u, arrow_cast(1, 'UInt8') as n;

-- engine
select [1, 2, null] as l, arrow_cast([1, 2], 'FixedSizeList(2, Int64)') as f, {a: 1, b: 'x'} as s, map {'k': 1} as m;

-- engine
select id from wide where list = [1, null] or pair = named_struct('x', 2, 'y', 'b');

-- engine
select id from wide where berlin > timestamp '1970-01-01 00:00:00' and seconds <= nanos;
