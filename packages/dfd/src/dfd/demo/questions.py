"""The demo's questions about the flights, in SQL."""

from __future__ import annotations

from typing import NamedTuple


class Question(NamedTuple):
    """A title for people and the SQL that answers it."""

    title: str
    sql: str


QUESTIONS = (
    Question(
        "Which airlines arrive latest?",
        """
        select a.name as airline, count(*) as flights,
               avg(f.arr_delay) as mean_delay_min,
               100.0 * sum(case when f.arr_delay > 15 then 1 else 0 end) / count(f.arr_delay)
                   as late_percent
        from flights f join airlines a on f.carrier = a.carrier
        group by a.name order by mean_delay_min desc, airline limit 8
        """,
    ),
    Question(
        "How far do the busiest routes really go?",
        """
        select f.origin, d.name as destination, count(*) as flights,
               min(f.distance) as listed_miles,
               min(dfd_haversine_km(o.lat, o.lon, d.lat, d.lon)) as great_circle_km
        from flights f
        join airports o on f.origin = o.faa
        join airports d on f.dest = d.faa
        group by f.origin, d.name order by flights desc, destination, origin limit 8
        """,
    ),
    Question(
        "Are older planes later?",
        """
        select cast(floor(p.year / 10.0) * 10 as bigint) as built_in_decade,
               count(distinct p.tailnum) as planes, count(*) as flights,
               avg(f.arr_delay) as mean_delay_min
        from flights f join planes p on f.tailnum = p.tailnum
        where p.year is not null
        group by 1 order by 1
        """,
    ),
    Question(
        "What does the weather do to departures?",
        """
        select case when w.precip > 0 and w.wind_speed >= 20 then 'wet and windy'
                    when w.precip > 0 then 'wet'
                    when w.wind_speed >= 20 then 'windy'
                    else 'fair' end as weather,
               count(*) as flights, avg(f.dep_delay) as mean_delay_min, max(f.dep_delay) as worst_min
        from flights f join weather w on f.origin = w.origin and f.time_hour = w.time_hour
        group by 1 order by mean_delay_min desc, weather
        """,
    ),
    Question(
        "When in the day does the delay build up?",
        """
        select f.hour as scheduled_hour, count(*) as flights,
               avg(f.dep_delay) as mean_delay_min,
               avg(dfd_hhmm_minutes(f.dep_time)) / 60.0 as mean_departure_hour
        from flights f
        group by f.hour order by mean_delay_min desc, scheduled_hour limit 8
        """,
    ),
)

HEAVY = """
    select e.value as extra_minutes,
           sum(case when f.arr_delay + e.value > 15 then 1 else 0 end) as late_flights,
           avg(sqrt(abs(f.arr_delay + e.value))) as mean_root_delay
    from flights f cross join generate_series(0, {extra}) as e
    group by e.value order by late_flights desc, extra_minutes limit 5
"""
"""How many flights would be late with that many minutes more: heavy on purpose."""

CORRECTIONS = """
    select origin, time_hour, carrier, flight, month, day,
           (dfd_hhmm_minutes(arr_time) - dfd_hhmm_minutes(sched_arr_time) + 2160) % 1440 - 720
               as arr_delay
    from flights
    where arr_delay is null and arr_time is not null
"""
"""The arrival delay of diverted flights, that the source leaves out: from the clock, within half a day."""
