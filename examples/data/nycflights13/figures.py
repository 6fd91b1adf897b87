#!/usr/bin/env python3
"""Computes, without the engine, the figures that the example `flights` must find.

Standard library only; `.zst` files are unpacked by the module `zstandard` where it is installed, else by the command
`zstd`. To make figures.json again, in this folder:

    python3 figures.py > figures.json

`--rows N` takes the first N flights only, like the example's own option.
"""

import argparse
import collections
import csv
import io
import json
import pathlib
import subprocess

HERE = pathlib.Path(__file__).resolve().parent
PLANE = "N258JB"
TOP = 10
ARRIVALS_MIN = 365
BUCKETS = {
    "wind": ("wind_speed", [0.0, 5.0, 10.0, 15.0, 20.0, 30.0]),
    "precipitation": ("precip", [0.0, 0.01, 0.05, 0.2]),
    "visibility": ("visib", [0.0, 1.0, 3.0, 6.0, 10.0]),
}


def text_of(name):
    """The content of a file, unpacked if need be."""
    plain = HERE / name
    if plain.exists():
        return plain.read_text(encoding="utf-8")
    packed = HERE / (name + ".zst")
    try:
        import zstandard

        return zstandard.ZstdDecompressor().stream_reader(packed.open("rb")).read().decode("utf-8")
    except ImportError:
        return subprocess.run(["zstd", "-dcq", str(packed)], check=True, capture_output=True).stdout.decode("utf-8")


def rows_of(name):
    """The rows of a table as dictionaries; NA is None."""
    reader = csv.DictReader(io.StringIO(text_of(name)))
    return [{column: None if value == "NA" else value for column, value in row.items()} for row in reader]


def number(value):
    return None if value is None else int(value)


def delays_of(flights):
    """Delays by carrier and month."""
    table = {}
    for flight in flights:
        entry = table.setdefault(
            (flight["carrier"], int(flight["month"])),
            {"flights": 0, "cancelled": 0, "departed": 0, "departure_delay": 0, "arrived": 0, "arrival_delay": 0},
        )
        entry["flights"] += 1
        entry["cancelled"] += flight["dep_time"] is None
        if flight["dep_delay"] is not None:
            entry["departed"] += 1
            entry["departure_delay"] += int(flight["dep_delay"])
        if flight["arr_delay"] is not None:
            entry["arrived"] += 1
            entry["arrival_delay"] += int(flight["arr_delay"])
    return [{"carrier": carrier, "month": month, **table[carrier, month]} for carrier, month in sorted(table)]


def plane_of(flights, planes):
    """The history of one plane."""
    own = [flight for flight in flights if flight["tailnum"] == PLANE]
    known = next((plane for plane in planes if plane["tailnum"] == PLANE), None)
    return {
        "tailnum": PLANE,
        "model": known and known["model"],
        "flights": len(own),
        "cancelled": sum(flight["dep_time"] is None for flight in own),
        "miles": sum(int(flight["distance"]) for flight in own if flight["dep_time"] is not None),
        "minutes_in_air": sum(number(flight["air_time"]) or 0 for flight in own),
        "first": min((flight["time_hour"] for flight in own), default=None),
        "last": max((flight["time_hour"] for flight in own), default=None),
        "destinations": len({flight["dest"] for flight in own}),
    }


def weather_of(flights, weather):
    """Departure delays by the weather at the time of departure."""
    hours = {(row["origin"], row["time_hour"]): row for row in weather}
    tables = {name: collections.defaultdict(lambda: [0, 0]) for name in BUCKETS}
    without = 0
    for flight in flights:
        if flight["dep_delay"] is None:
            continue
        hour = hours.get((flight["origin"], flight["time_hour"]))
        without += hour is None
        if hour is None:
            continue
        for name, (column, bounds) in BUCKETS.items():
            value = None if hour[column] is None else float(hour[column])
            place = None if value is None else max(bound for bound in bounds if bound <= value)
            entry = tables[name][place]
            entry[0] += 1
            entry[1] += int(flight["dep_delay"])
    result = {"departed_without_weather": without}
    for name, table in tables.items():
        places = sorted(place for place in table if place is not None) + [None] * (None in table)
        result[name] = [{"from": place, "flights": table[place][0], "delay": table[place][1]} for place in places]
    return result


def late_of(flights):
    """The destinations with the highest mean arrival delay, of those with enough arrivals."""
    table = collections.defaultdict(lambda: [0, 0])
    for flight in flights:
        if flight["arr_delay"] is not None:
            table[flight["dest"]][0] += 1
            table[flight["dest"]][1] += int(flight["arr_delay"])
    from fractions import Fraction

    enough = [(-Fraction(delay, count), dest) for dest, (count, delay) in table.items() if count >= ARRIVALS_MIN]
    return [
        {"destination": dest, "arrived": table[dest][0], "arrival_delay": table[dest][1]}
        for _, dest in sorted(enough)[:TOP]
    ]


def carriers_of(flights, airlines, listed):
    """The counters of each carrier; airlines without flights have them too."""
    result = {}
    for airline in airlines:
        own = [flight for flight in flights if flight["carrier"] == airline["carrier"]]
        result[airline["carrier"]] = {
            "flights": len(own),
            "cancelled": sum(flight["dep_time"] is None for flight in own),
            "departure_delay": sum(number(flight["dep_delay"]) or 0 for flight in own),
            "listed": listed[airline["carrier"]],
        }
    return dict(sorted(result.items()))


def main():
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("--rows", type=int, help="take the first N flights only")
    flights = rows_of("flights.csv")[: arguments.parse_args().rows]
    weather, planes = rows_of("weather.csv"), rows_of("planes.csv")
    airports, airlines = rows_of("airports.csv"), rows_of("airlines.csv")

    known = {plane["tailnum"] for plane in planes}
    unknown = collections.Counter(
        flight["tailnum"] for flight in flights if flight["tailnum"] is not None and flight["tailnum"] not in known
    )
    seen, rejected, listed = set(), [], collections.Counter()
    for flight in flights:
        # The second flight of a number on a day, in the order of the file, is not listed.
        entry = tuple(flight[column] for column in ("year", "month", "day", "carrier", "flight"))
        if entry in seen:
            rejected.append([flight[column] for column in ("time_hour", "carrier", "flight", "origin")])
        else:
            seen.add(entry)
            listed[flight["carrier"]] += 1
    with_tailnum = sum(flight["tailnum"] is not None for flight in flights)
    routes = collections.Counter((flight["origin"], flight["dest"]) for flight in flights)
    busiest = sorted(routes.items(), key=lambda route: (-route[1], route[0]))[:TOP]

    figures = {
        "rows": {
            "airlines": len(airlines),
            "airports": len(airports),
            "board": len(seen),
            "carrier_counters": len(airlines),
            "flights": len(flights),
            "flights_by_carrier_month": len(flights),
            "flights_by_destination": len(flights),
            "flights_by_tailnum": with_tailnum,
            "planes": len(planes),
            "rejected": len(rejected),
            "timetable": len(seen),
            "unknown_planes": len(unknown),
            "weather": len(weather),
        },
        "flights_without_tailnum": len(flights) - with_tailnum,
        "flights_of_unknown_planes": sum(unknown.values()),
        "rejected": [
            {"time_hour": row[0], "carrier": row[1], "flight": int(row[2]), "origin": row[3]}
            for row in sorted(rejected, key=lambda row: (row[0], row[1], int(row[2]), row[3]))
        ],
        "carriers": carriers_of(flights, airlines, listed),
        "delays": delays_of(flights),
        "plane": plane_of(flights, planes),
        "weather": weather_of(flights, weather),
        "busiest_routes": [
            {"origin": origin, "destination": dest, "flights": count} for (origin, dest), count in busiest
        ],
        "late_destinations": late_of(flights),
    }
    print(json.dumps(figures, indent=1))


if __name__ == "__main__":
    main()
