// The cells: learning curves of the best ones; any cell by its string or number, with its graph, trainings and neighbours.
const space = data.explorer;
let cellText = null; // (number of an architecture) => its string
let pickCell = () => {}; // shows the cell that a text names: a string, `row 12` or `12`, `architecture 12`
let fromHash = () => {}; // shows the cell that the address names, as in report.html#cell=12&data=cifar10

if (space) {
  const rows = new Uint16Array(bytes(space.rows).buffer), architectures = bytes(space.architectures), NONE = 65535;
  const edges = space.edges.length, options = space.operations.length, size = options ** edges, count = architectures.length / edges;
  const words = (text) => new Uint16Array(bytes(text).buffer);
  const sets = Object.fromEntries(Object.entries(space.datasets).map(([name, one]) => [name, { ...one,
    values: words(one.values), rank: words(one.rank), parameters: new Int32Array(bytes(one.parameters).buffer), curves: { ...one.curves, values: words(one.curves.values) } }]));
  const choice = by("cell-dataset"), field = by("cell-text"), message = by("cell-message");
  choose(choice, sets);
  const set = () => sets[choice.value];
  const mean = (values) => values.reduce((sum, value) => sum + value, 0) / values.length;
  const grouped = (number) => number.toLocaleString("en");
  const range = (length) => [...Array(length).keys()];

  // How a cell is written and numbered ---------------------------------------------------------------------------------
  const rowOf = (cell) => rows[cell.reduceRight((sum, operation) => sum * options + operation, 0)];
  const cellOf = (row) => [...architectures.subarray(row * edges, (row + 1) * edges)];
  const numberOf = (cell) => cell.reduce((sum, operation) => sum * options + operation, 0);
  const byNumber = (number) => range(edges).map((edge) => Math.floor(number / options ** (edges - 1 - edge)) % options);
  const format = (cell) => {
    let text = "";
    for (let node = 1; node < space.nodes; node++) {
      const into = space.edges.map((edge, i) => [edge, i]).filter(([edge]) => edge[1] === node);
      text += (node > 1 ? "+" : "") + "|" + into.map(([edge, i]) => space.operations[cell[i]] + "~" + edge[0]).join("|") + "|";
    }
    return text;
  };
  const parse = (text) => {
    const cell = new Array(edges).fill(-1), parts = text.split("+");
    if (parts.length !== space.nodes - 1) throw new Error("A cell has " + (space.nodes - 1) + " nodes between +, such as " + format(cellOf(set().best)) + "; or give its number, such as " + set().best);
    parts.forEach((part, at) => part.split("|").filter(Boolean).forEach((item) => {
      const [name, from] = item.split("~"), operation = space.operations.indexOf(name);
      const edge = space.edges.findIndex((one) => one[0] === Number(from) && one[1] === at + 1);
      if (operation < 0) throw new Error("Unknown operation " + name + "; there are " + space.operations.join(", "));
      if (edge < 0) throw new Error("No edge from " + from + " to " + (at + 1));
      cell[edge] = operation;
    }));
    if (cell.includes(-1)) throw new Error("Some edge has no operation");
    return cell;
  };
  const read = (text) => {
    const numbered = /^(row|architecture)?\s*(-?\d+)$/i.exec(text.trim());
    if (!numbered) return parse(text.trim());
    const architecture = /^a/i.test(numbered[1] ?? ""), number = Number(numbered[2]), end = architecture ? size : count;
    if (!(number >= 0 && number < end)) throw new Error(`${architecture ? "Architecture" : "Row"} ${number} is outside 0 to ${end - 1}`);
    return architecture ? byNumber(number) : cellOf(number);
  };
  cellText = (number) => format(byNumber(number));

  // Its trainings ------------------------------------------------------------------------------------------------------
  const accuracy = (row, repeat, epoch) => {
    const one = set(), value = one.values[(row * one.repeats + repeat) * one.epochs.length + epoch];
    return value === NONE ? null : value / 100;
  };
  const finals = (row) => range(set().repeats).map((repeat) => accuracy(row, repeat, set().epochs.length - 1)).filter((value) => value !== null);
  const live = (cell) => {
    const carrying = space.edges.map((edge, i) => ({ from: edge[0], to: edge[1], i })).filter((edge) => space.operations[cell[edge.i]] !== "none");
    const reached = new Set([0]), reaching = new Set([space.nodes - 1]);
    for (const edge of carrying) if (reached.has(edge.from)) reached.add(edge.to);
    for (const edge of [...carrying].sort((a, b) => b.from - a.from)) if (reaching.has(edge.to)) reaching.add(edge.from);
    return carrying.map((edge) => ({ ...edge, live: reached.has(edge.from) && reaching.has(edge.to) }));
  };
  let current = cellOf(sets[Object.keys(sets)[0]].best);

  const drawBest = () => {
    const { epochs, rows: best, values } = set().curves, repeats = set().repeats, traces = [];
    if (!by("best-curves")) return; // no data set of the table has several epochs
    by("best-curves").hidden = epochs.length < 2;
    if (epochs.length < 2) return;
    const value = (place, repeat, epoch) => { const found = values[(place * repeats + repeat) * epochs.length + epoch]; return found === NONE ? null : found / 100; };
    best.forEach((row, place) => {
      const tone = space.palette[place % space.palette.length], each = range(repeats).map((repeat) => epochs.map((_, epoch) => value(place, repeat, epoch)));
      const shared = { type: "scatter", legendgroup: String(place), customdata: epochs.map(() => row) };
      each.forEach((y, repeat) => traces.push({ ...shared, x: epochs, y, mode: "lines", line: { color: tone, width: 1 }, opacity: 0.5, showlegend: false,
        hovertemplate: `%{y:.2f} % after %{x} epochs<extra>row ${row}, training ${repeat + 1}</extra>` }));
      const means = epochs.map((_, epoch) => { const known = each.map((y) => y[epoch]).filter((one) => one !== null); return known.length ? mean(known) : null; });
      traces.push({ ...shared, x: epochs, y: means, mode: "lines", name: `${place + 1}. row ${row}`, line: { color: tone, width: 2.5, dash: ["solid", "dash", "dashdot", "dot", "longdash"][place % 5] },
        hovertemplate: `%{y:.2f} % after %{x} epochs<extra>row ${row}, mean</extra>` });
    });
    const layout = base("epochs", `${set().split} accuracy (%)`), known = traces.flatMap((trace) => trace.y).filter((one) => one !== null).sort((a, b) => a - b);
    // What is far below most readings (the first epochs) is a zoom away.
    const low = known[Math.floor(0.02 * known.length)], high = known[known.length - 1];
    layout.yaxis.range = [low - 0.05 * (high - low), high + 0.05 * (high - low)];
    plot("best-curves", traces, legendBelow(layout));
  };
  const drawGraph = () => {
    const width = 100, parts = [], bend = (edge) => { const span = edge.to - edge.from; const up = span === 1 ? 0 : 28 * (span - 1); return edge.from % 2 ? -up : up; };
    const place = (node) => 20 + node * width, middle = 85;
    for (const edge of live(current).sort((a, b) => a.live - b.live)) {
      const x1 = place(edge.from) + 13, x2 = place(edge.to) - 13, y = middle - bend(edge) * 1.55, tone = edge.live ? lineColour(space.colours[current[edge.i]]) : colour("--line");
      const from = bend(edge) ? place(edge.from) + 6 : x1, to = bend(edge) ? place(edge.to) - 6 : x2, lift = bend(edge) ? (bend(edge) > 0 ? -12 : 12) : 0;
      parts.push(`<path d="M${from} ${middle + lift} C${from + width * .35} ${y} ${to - width * .35} ${y} ${to} ${middle + lift}" fill="none" stroke="${tone}" stroke-width="2.5"/>`);
      parts.push(`<text class="operation" x="${(from + to) / 2}" y="${middle - bend(edge) * 1.16 + (bend(edge) < 0 ? 14 : -5)}" text-anchor="middle" font-size="11" fill="${edge.live ? colour("--ink") : colour("--soft")}">${escape(space.labels[current[edge.i]])}</text>`);
    }
    for (let node = 0; node < space.nodes; node++)
      parts.push(`<circle cx="${place(node)}" cy="${middle}" r="12" fill="${colour("--paper")}" stroke="${colour("--ink")}"/><text x="${place(node)}" y="${middle + 4}" text-anchor="middle" font-size="10" fill="${colour("--ink")}">${node === 0 ? "in" : node === space.nodes - 1 ? "out" : node}</text>`);
    by("cell-drawing").innerHTML = `<svg viewBox="0 -12 ${40 + (space.nodes - 1) * width} 187" role="img" aria-label="Graph of the cell">${parts.join("")}</svg>`;
  };
  const drawTrainings = (row) => {
    const one = set(), several = one.epochs.length > 1;
    const traces = range(one.repeats).map((repeat) => several
      ? { x: one.epochs, y: one.epochs.map((_, epoch) => accuracy(row, repeat, epoch)), mode: "lines+markers", marker: { size: 4 } }
      : { x: [repeat + 1], y: [accuracy(row, repeat, 0)], mode: "markers", marker: { size: 10 } });
    traces.forEach((trace, repeat) => Object.assign(trace, { type: "scatter", name: "training " + (repeat + 1), line: { color: space.palette[repeat % space.palette.length] },
      hovertemplate: (several ? "%{y:.2f} % after %{x} epochs" : "%{y:.2f} %") + `<extra>training ${repeat + 1}</extra>` }));
    const layout = base(several ? "epochs" : "training", `${one.split} accuracy (%)`);
    if (several) legendBelow(layout); else layout.xaxis.dtick = 1;
    plot("cell-figure", traces, layout);
  };
  const numbersOf = (row) => {
    const one = set(), values = finals(row), own = format(cellOf(row)), each = values.map((value) => value.toFixed(2)).join(", ");
    return `Row ${row}, architecture ${numberOf(current)}. Place ${grouped(one.rank[row])} of ${grouped(count)}; ` +
      (values.length ? `${one.label}: ${mean(values).toFixed(2)} % over ${values.length} trainings (${each})` : "no finished training") +
      (one.parameters[row] >= 0 ? `; ${grouped(one.parameters[row])} parameters.` : ".") + (own === format(current) ? "" : ` The row was trained as ${own}, which computes the same.`);
  };
  // New controls in place of old ones; what had the focus keeps it, by its place.
  const refill = (box, controls) => {
    const inside = () => [...box.querySelectorAll("button, select")], at = inside().indexOf(document.activeElement);
    box.replaceChildren(...controls);
    if (at >= 0) inside()[Math.min(at, inside().length - 1)]?.focus({ preventScroll: true });
  };
  const drawEdges = () => refill(by("cell-edges"), space.edges.map((edge, i) => {
    const label = document.createElement("label"), select = document.createElement("select");
    space.operations.forEach((_, operation) => select.append(new Option(space.labels[operation], operation, false, operation === current[i])));
    select.addEventListener("change", () => show(current.map((old, other) => (other === i ? Number(select.value) : old))));
    label.append(`${edge[0]}\u2192${edge[1]} `, select);
    return label;
  }));
  const drawNeighbours = (row) => {
    const neighbours = [], values = finals(row), own = values.length ? mean(values) : NaN;
    for (let edge = 0; edge < edges; edge++) for (let operation = 0; operation < options; operation++) if (operation !== current[edge]) {
      const cell = [...current]; cell[edge] = operation;
      const at = rowOf(cell), score = at === NONE ? [] : finals(at);
      neighbours.push({ cell, edge, operation, same: at === row, score: score.length ? mean(score) : NaN });
    }
    neighbours.sort((a, b) => (b.score || -1) - (a.score || -1));
    refill(by("cell-neighbours"), neighbours.map((next) => {
      const button = document.createElement("button"), what = document.createElement("span"), change = document.createElement("span");
      button.type = "button";
      what.textContent = `${space.edges[next.edge][0]}\u2192${space.edges[next.edge][1]}: ${space.labels[next.operation]}`;
      const difference = next.score - own, sign = difference >= 0 ? "+" : "\u2212";
      change.textContent = Number.isNaN(next.score) ? "" : next.same ? "same cell" : Number.isNaN(difference) ? next.score.toFixed(2) : `${next.score.toFixed(2)} (${sign}${Math.abs(difference).toFixed(2)})`;
      if (!next.same) change.className = difference > 0 ? "up" : "down";
      button.append(what, change);
      button.addEventListener("click", () => show(next.cell));
      return button;
    }));
  };
  const drawCell = () => {
    const row = rowOf(current), answered = row !== NONE;
    field.value = format(current);
    drawGraph(); drawEdges();
    by("cell-link").href = "#" + address();
    by("cell-figure").hidden = by("cell-neighbours").hidden = !answered;
    by("cell-numbers").textContent = answered ? numbersOf(row) : `Architecture ${numberOf(current)}: the table has no row for this cell.`;
    if (answered) { drawTrainings(row); drawNeighbours(row); }
  };
  // Rows are shorter than strings, but a row that answers for several cells does not say which.
  const address = () => {
    const row = rowOf(current), own = row !== NONE && format(cellOf(row)) === format(current);
    return `cell=${own ? row : encodeURIComponent(format(current))}&data=${encodeURIComponent(choice.value)}`;
  };
  const show = (cell) => { current = cell; message.textContent = ""; drawCell(); window.history.replaceState(null, "", "#" + address()); };
  pickCell = (text) => { try { show(read(text)); return true; } catch (error) { message.textContent = error.message; return false; } };
  fromHash = () => {
    if (!location.hash.startsWith("#cell=")) return;
    try {
      const asked = Object.fromEntries(location.hash.slice(1).split("&").map((part) => { const at = part.indexOf("="); return [part.slice(0, at), decodeURIComponent(part.slice(at + 1))]; }));
      if (asked.data in sets) { choice.value = asked.data; drawBest(); }
      if (!pickCell(asked.cell)) drawCell();
    } catch { message.textContent = "The address names no cell: " + location.hash; }
    by("cell-controls").scrollIntoView();
  };

  field.addEventListener("change", () => pickCell(field.value));
  const go = (rank) => { const row = set().rank.indexOf(rank); if (row >= 0) show(cellOf(row)); };
  by("cell-best").addEventListener("click", () => go(1));
  by("cell-previous").addEventListener("click", () => go(set().rank[rowOf(current)] - 1));
  by("cell-next").addEventListener("click", () => go(set().rank[rowOf(current)] + 1));
  choice.addEventListener("change", () => { drawBest(); drawCell(); });
  draws.push(drawBest, drawCell);

  csv.curves_of_the_best = () => {
    const { epochs, rows: best, values } = set().curves, out = [["dataset", "place", "row", "architecture", "training", "epochs", `${set().split}_accuracy_percent`]];
    best.forEach((row, place) => range(set().repeats).forEach((repeat) => epochs.forEach((epoch, at) => {
      const value = values[(place * set().repeats + repeat) * epochs.length + at];
      out.push([choice.value, place + 1, row, format(cellOf(row)), repeat + 1, epoch, value === NONE ? null : value / 100]);
    })));
    return [choice.value, out];
  };
}
