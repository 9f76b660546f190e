"""Medians, spread and ratios of all runs, as a table and a chart."""

import html
import json
import os
import statistics


def median(values):
    return statistics.median(values)


def spread(values):
    """Half of the distance between the extremes, in percent of the median."""
    middle = median(values)
    return 100 * (max(values) - min(values)) / 2 / middle if middle else 0.0


def rows(results):
    """(case, figure, {peer: (median, spread)}) in the order in which they were measured."""
    for case, by_peer in results.items():
        names = dict.fromkeys(name for runs in by_peer.values() for run in runs for name in run)
        for name in names:
            cells = {}
            for peer, runs in by_peer.items():
                values = [run[name] for run in runs if name in run]
                if values:
                    cells[peer] = (median(values), spread(values))
            yield case, name, cells


def ratio(cells, over, under):
    if over in cells and under in cells and cells[under][0]:
        return cells[over][0] / cells[under][0]
    return None


def number(value):
    return f"{value:,.0f}" if abs(value) >= 1000 else f"{value:.3g}"


def table(results):
    """One table for all cases that have the same brokers; the first one is divided by each other."""
    groups = {}
    for case, by_peer in results.items():
        groups.setdefault(tuple(by_peer), {})[case] = by_peer
    return "\n\n".join(one_table(peers, part) for peers, part in groups.items())


def one_table(peers, results):
    ours, *others = peers
    head = ["case", "figure", *peers, *(f"{ours} / {other}" for other in others)]
    lines = ["| " + " | ".join(head) + " |", "|" + "---|" * len(head)]
    for case, name, cells in rows(results):
        values = [f"{number(cells[peer][0])} ±{cells[peer][1]:.0f} %" if peer in cells else "" for peer in peers]
        ratios = [ratio(cells, ours, other) for other in others]
        texts = [f"{value:.3g}" if value is not None else "" for value in ratios]
        lines.append("| " + " | ".join([case, name, *values, *texts]) + " |")
    return "\n".join(lines)


def chart(results, figure="CPU s per GB"):
    """Bars of one figure, Kafka as 1."""
    bars = []
    for case, name, cells in rows(results):
        if name == figure and "kafka" in cells:
            bars.append((case, {peer: value / cells["kafka"][0] for peer, (value, _) in cells.items()}))
    colors = {"kafka": "#9aa0a6", "ottla": "#1a73e8", "ottla-durable": "#12876f", "floor": "#e8a33d"}
    left, wide, thick = 190, 560, 12
    parts, top = [], 46
    for case, values in bars:
        parts.append(f'<text x="{left - 8}" y="{top + 11}" text-anchor="end">{html.escape(case)}</text>')
        for peer, color in colors.items():
            if peer in values:
                width = min(values[peer], 1.15) * wide / 1.15
                parts.append(f'<rect x="{left}" y="{top}" width="{width:.1f}" height="{thick - 2}" fill="{color}"/>')
                parts.append(f'<text x="{left + width + 4:.1f}" y="{top + 9}" font-size="9">{values[peer]:.2f}</text>')
                top += thick
        top += 8
    legend = ""
    for index, (peer, color) in enumerate(colors.items()):
        legend += f'<rect x="{left + 120 * index}" y="24" width="10" height="10" fill="{color}"/>'
        legend += f'<text x="{left + 14 + 120 * index}" y="33">{peer}</text>'
    title = f'<text x="10" y="16" font-size="13">Broker {html.escape(figure)}, Apache Kafka as it ships = 1</text>'
    size = f'width="{left + wide + 50}" height="{top + 10}"'
    style = 'font-family="sans-serif" font-size="11"'
    background = '<rect width="100%" height="100%" fill="white"/>'
    return f'<svg xmlns="http://www.w3.org/2000/svg" {size} {style}>{background}{title}{legend}{"".join(parts)}</svg>\n'


def write(directory, results, notes):
    """results.json, table.md and chart.svg."""
    os.makedirs(directory, exist_ok=True)
    text = "\n".join(notes) + "\n\n" + table(results) + "\n"
    with open(os.path.join(directory, "results.json"), "w") as file:
        json.dump({"notes": notes, "runs": results}, file, indent=1)
    with open(os.path.join(directory, "table.md"), "w") as file:
        file.write(text)
    with open(os.path.join(directory, "chart.svg"), "w") as file:
        file.write(chart(results))
    return text
