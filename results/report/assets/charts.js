// Interactive figures. The chart library and the data of a figure are loaded when it comes into view, from this folder.
"use strict";
(() => {
  const up = document.body.dataset.up;
  const palette = ["#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9", "#8c6bb1", "#7f7f7f"]; // Okabe and Ito
  const marks = ["circle", "square", "diamond", "triangle-up", "cross", "x", "star", "pentagon"];
  const dashes = ["solid", "dash", "dot", "dashdot"];
  const LETTERS = 36; // of a name beside a figure
  const LINE = 24; // pixels of a line of a legend, at most
  const SHOWN = 10; // curves drawn at first; the legend shows the others

  // --- what is loaded, once ---

  const received = new Map();
  const waiting = new Map();
  globalThis.bakeoffData = (name, data) => received.set(name, data);

  function load(path) {
    if (!waiting.has(path)) {
      waiting.set(path, new Promise((done, failed) => {
        const script = document.createElement("script");
        script.src = up + path;
        script.onload = done;
        script.onerror = () => failed(new Error(`${path} could not be loaded`));
        document.head.append(script);
      }));
    }
    return waiting.get(path);
  }

  async function data(source) {
    const here = document.querySelector(`script[type="application/json"][data-for="${CSS.escape(source)}"]`);
    if (here) return { curves: JSON.parse(here.textContent) };
    if (!received.has(source)) await load(`data/${source}.js`);
    return received.get(source);
  }

  // --- text and style ---

  // the library reads a little HTML in its texts; names are to be shown as they are
  const plain = (text) => String(text).replace(/&/g, "&amp;").replace(/</g, "&lt;").replace(/>/g, "&gt;");
  // long names would leave no room for the figure; the whole name is in the tooltip and the table
  const brief = (text) => plain(text.length > LETTERS ? `${text.slice(0, LETTERS - 1)}…` : text);
  const colour = (name) => getComputedStyle(document.documentElement).getPropertyValue(name).trim();
  const style = (index) => ({ colour: palette[index % palette.length], mark: marks[Math.floor(index / palette.length) % marks.length],
    dash: dashes[Math.floor(index / palette.length) % dashes.length] });
  const named = (metric) => `${metric.name}${metric.unit ? ` (${metric.unit})` : ""}${metric.higher ? " ↑" : " ↓"}`;

  function layout(horizontal, vertical, more = {}) {
    const ink = colour("--ink");
    const axis = (text, own) => ({ title: { text: plain(text) }, gridcolor: colour("--line"), zerolinecolor: colour("--line"),
      linecolor: colour("--soft"), automargin: true, ...own });
    const { xaxis, yaxis, ...rest } = more;
    return { font: { family: getComputedStyle(document.body).fontFamily, color: ink, size: 13 }, paper_bgcolor: "rgba(0,0,0,0)",
      plot_bgcolor: "rgba(0,0,0,0)", margin: { l: 60, r: 15, t: 10, b: 50 }, hovermode: "closest",
      hoverlabel: { bgcolor: colour("--sheet"), font: { color: ink } },
      legend: { orientation: "h", x: 0, y: 0, yref: "container", yanchor: "bottom", maxheight: 1 },
      xaxis: axis(horizontal, xaxis), yaxis: axis(vertical, yaxis), ...rest };
  }

  const turns = new WeakMap(); // a drawing that a later one has overtaken must not finish

  async function draw(figure, traces, form) {
    const plot = figure.querySelector(".plot");
    const height = form.height ?? 380;
    const turn = (turns.get(figure) ?? 0) + 1;
    turns.set(figure, turn);
    const react = (tall) => {
      plot.style.height = `${tall}px`;
      return Plotly.react(plot, traces, { ...form, height: tall }, { responsive: true, displaylogo: false,
        modeBarButtonsToRemove: ["lasso2d", "select2d", "autoScale2d"],
        toImageButtonOptions: { format: "svg", filename: `${figure.dataset.source}-${figure.dataset.chart}` } });
    };
    // the legend stands below the axes and adds to their height: first a line for each name, then what it really takes
    await react(height + LINE * traces.filter((trace) => trace.showlegend !== false).length);
    const legend = plot.querySelector(".legend .bg");
    if (turns.get(figure) === turn) await react(height + (legend ? Math.ceil(legend.getBBox().height) : 0));
  }

  // What a figure leaves out, in words under it.
  function leftOut(figure, rows, why) {
    const names = rows.map((row) => row.method ?? row);
    const shown = names.slice(0, 5).join(", ") + (names.length > 5 ? ` and ${names.length - 5} more` : "");
    const text = names.length ? `Not shown, ${why}: ${shown}.` : "";
    const note = figure.querySelector(".left-out");
    note.textContent = text;
    note.hidden = !text;
  }

  // A select that keeps its choice when the figure is drawn again.
  function choice(figure, label, options, redraw) {
    const box = figure.querySelector(".choices");
    let select = box.querySelector(`select[data-of="${CSS.escape(label)}"]`);
    if (!select) {
      const holder = document.createElement("label");
      holder.append(`${label} `);
      select = document.createElement("select");
      select.dataset.of = label;
      holder.append(select);
      box.append(holder);
    }
    const before = select.value;
    select.replaceChildren(...options.map((option) => new Option(option, option)));
    if (options.includes(before)) select.value = before;
    select.onchange = redraw;
    select.parentElement.hidden = options.length < 2;
    return select.value;
  }

  // --- the figures ---

  const kinds = {
    scores(figure, board) {
      const rows = [...board.rows].reverse(); // the best on top
      const labels = rows.map((row) => brief(row.method) + (row.other ? ` (${row.other} not ok)` : ""));
      const places = rows.map((_, place) => place);
      const dots = { type: "scatter", mode: "markers", name: "a seed", marker: { color: palette[0], opacity: 0.55, size: 7 }, x: [], y: [], text: [],
        hovertemplate: "%{text}: %{x}<extra></extra>" };
      rows.forEach((row, place) => row.scores.forEach((score, index) => {
        dots.x.push(score);
        dots.y.push(place + (row.scores.length > 1 ? 0.16 : 0));
        dots.text.push(`${plain(row.method)}, seed ${row.seeds[index]}`);
      }));
      const half = (row, bound) => (row.interval[bound] === null ? 0 : Math.abs(row.interval[bound] - row.interval[0]));
      const means = { type: "scatter", mode: "markers", name: "mean and interval", x: rows.map((row) => row.interval[0]), y: places.map((place) => place - 0.12),
        text: rows.map((row) => plain(row.method)), hovertemplate: "%{text}: mean %{x:.4g}<extra></extra>",
        marker: { color: palette[1], symbol: "diamond", size: 9 },
        error_x: { type: "data", symmetric: false, array: rows.map((row) => half(row, 2)), arrayminus: rows.map((row) => half(row, 1)), color: palette[1] } };
      leftOut(figure, board.absent, "no attempt ended ok");
      return draw(figure, [dots, means], layout(named(board.metric), "", { height: 150 + 34 * rows.length,
        yaxis: { tickvals: places, ticktext: labels, range: [-0.6, rows.length - 0.4], title: { text: "" } } }));
    },

    cost(figure, board) {
      const options = [...board.units, ...(board.rows.some((row) => row.seconds !== null) ? ["seconds to solve"] : []),
        ...(board.rows.some((row) => row.memory !== null) ? ["memory (MiB)"] : [])];
      const unit = choice(figure, "cost", options, () => kinds.cost(figure, board));
      const cost = (row) => (unit === "seconds to solve" ? row.seconds : unit === "memory (MiB)" ? row.memory : row.work[unit] ?? 0);
      const known = board.rows.filter((row) => (cost(row) ?? null) !== null && row.interval[0] !== null);
      leftOut(figure, [...board.rows.filter((row) => !known.includes(row)), ...board.absent], "since their mean or this cost is not known");
      const better = (a, b) => (board.metric.higher ? a > b : a < b);
      const quality = (row) => row.interval[0];
      const front = known.filter((row) => !row.reference)
        .filter((row, _, all) => !all.some((other) => cost(other) <= cost(row) && !better(quality(row), quality(other))
          && (cost(other) < cost(row) || better(quality(other), quality(row)))))
        .sort((a, b) => cost(a) - cost(b));
      const line = { type: "scatter", mode: "lines", name: "Pareto front", x: front.map(cost), y: front.map(quality), line: { shape: "hv", color: colour("--soft"), dash: "dot" }, hoverinfo: "skip" };
      const points = known.map((row, index) => ({ type: "scatter", mode: "markers", name: brief(row.method), x: [cost(row)], y: [quality(row)],
        marker: { size: 11, color: style(index).colour, symbol: style(index).mark + (row.reference ? "-open" : "") },
        hovertemplate: `${plain(row.method)}<br>%{y:.4g} at %{x:.4g}<extra></extra>` }));
      return draw(figure, [line, ...points], layout(unit ?? "", named(board.metric), { height: 420,
        xaxis: { rangemode: "tozero" } }));
    },

    curves(figure, board) {
      const rows = board.rows.filter((row) => Object.keys(row.curves).length);
      const holders = (name) => rows.filter((row) => name in row.curves).length;
      const names = [...new Set(rows.flatMap((row) => Object.keys(row.curves)))].sort().sort((a, b) => holders(b) - holders(a)); // what most have first
      const again = () => kinds.curves(figure, board);
      const name = choice(figure, "of", names, again);
      const having = rows.filter((row) => name in row.curves);
      const axes = [...new Set(having.flatMap((row) => Object.keys(row.curves[name].axes)))];
      const axis = choice(figure, "against", axes, again);
      const shown = having.filter((row) => axis in row.curves[name].axes);
      const traces = shown.flatMap((row, index) => curve(row.method, row.curves[name], axis, style(index), index < SHOWN));
      leftOut(figure, board.rows.filter((row) => !shown.includes(row) && !row.reference), "since they have no such curve");
      return draw(figure, traces, layout(axis ?? "", name ?? "", { height: 420 }));
    },

    logs(figure, own) {
      const again = () => kinds.logs(figure, own);
      const name = choice(figure, "of", Object.keys(own.curves), again);
      const found = own.curves[name];
      const axis = choice(figure, "against", Object.keys(found.axes), again);
      return draw(figure, curve(name, found, axis, style(0), true), layout(axis, name, { showlegend: false }));
    },

    profile(figure, group) {
      const traces = group.rows.map((row, index) => ({ type: "scatter", mode: "lines", name: brief(row.method), x: group.thresholds, y: row.share,
        visible: index < SHOWN ? true : "legendonly", line: { color: style(index).colour, dash: style(index).dash, width: 2, shape: "hv" },
        hovertemplate: `${plain(row.method)}<br>%{y:.0%} of runs above %{x:.3g}<extra></extra>` }));
      leftOut(figure, group.absent, "since something of theirs is lacking");
      return draw(figure, traces, layout("normalised score", "share of runs above it", { height: 420, yaxis: { range: [0, 1.03], tickformat: ".0%" } }));
    },
  };

  function curve(label, found, axis, look, shown) {
    const x = found.axes[axis];
    const visible = shown ? true : "legendonly";
    const mean = { type: "scatter", mode: x.length > 1 ? "lines" : "markers", name: brief(label), legendgroup: label, x, y: found.mean, visible,
      line: { color: look.colour, dash: look.dash, width: 2 }, hovertemplate: `${plain(label)}${found.seeds > 1 ? `, mean of ${found.seeds} seeds` : ""}<br>%{y:.4g} at %{x:.4g}<extra></extra>` };
    if (found.seeds < 2) return [mean];
    const band = { type: "scatter", mode: "lines", legendgroup: label, showlegend: false, hoverinfo: "skip", visible,
      x: [...x, ...[...x].reverse()], y: [...found.high, ...[...found.low].reverse()], fill: "toself", opacity: 0.15,
      line: { width: 0 }, fillcolor: look.colour };
    return [band, mean];
  }

  // --- when ---

  async function show(figure) {
    const source = figure.dataset.source;
    figure.dataset.asked = source;
    try {
      const [own] = await Promise.all([data(source), load("assets/plotly.min.js")]);
      if (figure.dataset.source === source) await kinds[figure.dataset.chart](figure, own); // else another one was chosen meanwhile
    } catch (error) {
      figure.querySelector(".plot").textContent = `This figure could not be drawn: ${error.message}`;
      throw error;
    }
  }

  const figures = [...document.querySelectorAll("figure[data-chart]")];
  const seen = new IntersectionObserver((entries) => {
    for (const entry of entries.filter((one) => one.isIntersecting)) {
      seen.unobserve(entry.target);
      show(entry.target);
    }
  }, { rootMargin: "300px" });
  figures.forEach((figure) => seen.observe(figure));
  document.addEventListener("themechange", () => {
    for (const figure of figures.filter((one) => one.dataset.asked)) {
      if (figure.hidden) figure.dataset.asked = "before the theme changed";
      else show(figure);
    }
  });

  const picker = document.querySelector("select[data-picker]");
  function pick() {
    const option = picker.selectedOptions[0];
    document.getElementById("picked").href = up + option.dataset.page;
    for (const figure of figures.filter((one) => ["scores", "cost", "curves"].includes(one.dataset.chart))) {
      figure.dataset.source = option.value;
      for (const link of figure.querySelectorAll(".downloads a")) {
        link.href = `${up}${option.dataset.figures.replace(/scores$/, figure.dataset.chart)}.${link.dataset.kind}`;
      }
      figure.hidden = figure.dataset.chart === "curves" && !option.dataset.curves;
      // what has not come into view yet is drawn when it does
      if (!figure.hidden && figure.dataset.asked && figure.dataset.asked !== option.value) show(figure);
    }
  }
  picker?.addEventListener("change", pick);
  if (picker) addEventListener("pageshow", pick); // a browser that goes back puts the reader's choice back
})();
