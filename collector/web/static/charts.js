// Charts that can be looked into: uPlot draws them over what the server drew, which stays for paper and for browsers without a script.
// All charts of a page show the same time, have one cross-hair, and go on while somebody watches.
"use strict";
(() => {
  const main = document.getElementById("main"), root = document.documentElement;
  if (!window.uPlot || !main) return;
  const HEIGHT = 200, LINES = 6, SPAN_MIN = 30, GAP = "\u2013";
  const lang = root.lang || "vi", zone = root.dataset.zone || "UTC";
  const charts = new Map(), sources = new Map();
  let tools, words, view, first, colours, loading = 0, loadedAt = 0, others = [], against = 0;

  // --- Words, numbers and times as people of this language write them.
  const number = (digits) => new Intl.NumberFormat(lang, { maximumSignificantDigits: digits });
  const few = number(4), many = number(6);
  const time = (options) => new Intl.DateTimeFormat(lang === "en" ? "en-GB" : lang, { timeZone: zone, hourCycle: "h23", ...options });
  const two = "2-digit";
  const seconds = time({ hour: two, minute: two, second: two }), minutes = time({ hour: two, minute: two });
  const day = time({ day: two, month: two }), month = time({ month: two, year: "numeric" });
  const whole = time({ day: two, month: two, year: "numeric", hour: two, minute: two, second: two });
  const at = (format, second) => format.format(new Date(second * 1000));
  const SIZES = ["B", "KiB", "MiB", "GiB", "TiB", "PiB"];
  const SHOWN = { "1": "", "1/s": "/s", Cel: "°C", K: "°C", d: "day", h: "hour" };
  function said(value, unit, format = few) {
    if (value == null || !isFinite(value)) return GAP;
    if (unit === "By" || unit === "By/s") {
      let power = 0;
      while (Math.abs(value) >= 1024 && power < SIZES.length - 1) { value /= 1024; power += 1; }
      return `${format.format(value)} ${SIZES[power]}${unit === "By/s" ? "/s" : ""}`;
    }
    if (unit === "s" && Math.abs(value) >= 172800) return `${format.format(value / 86400)} ${words.day}`;
    if (unit === "s" && Math.abs(value) >= 7200) return `${format.format(value / 3600)} ${words.hour}`;
    const shown = unit in SHOWN ? SHOWN[unit] : unit;
    return `${format.format(value)} ${words[shown] || shown}`.trim();
  }
  function ticks(u, splits, _axis, _space, step) {
    let before = "";
    return splits.map((second) => {
      const today = at(day, second);
      const text = step < 60 ? at(seconds, second) : step < 86400 ? at(minutes, second) : step < 2419200 ? today : at(month, second);
      // Below a time of another day than the one before stands which.
      const more = step < 86400 && view.until - view.from > 64800 && today !== before ? `\n${today}` : "";
      before = today;
      return text + more;
    });
  }
  // Steps of a scale of bytes: round numbers of a unit that has 1024 of the one below.
  const BINARY = [0.01, 0.1];
  for (let unit = 1; unit < 2 ** 51; unit *= 1024) for (const step of [1, 2, 5, 10, 20, 50, 128, 256, 512]) BINARY.push(step * unit);

  function palette() {
    const style = getComputedStyle(root), of = (name) => style.getPropertyValue(name).trim();
    return {
      ink: of("--ink"), muted: of("--muted"), line: of("--line"), card: of("--card"),
      lines: [of("--accent"), "#d9822b", "#2a9d6f", "#a35bd0", "#c44569", "#7a8794"],
      bad: of("--bad"), warning: of("--warning"), away: of("--away"), planned: of("--accent"),
    };
  }
  const clear = (colour, alpha) => `color-mix(in srgb, ${colour} ${alpha}%, transparent)`;
  // A canvas takes such a colour only where the browser knows it; it is asked once.
  const faded = CSS.supports("color", clear("red", 10)) ? clear : (colour) => colour;

  // --- Numbers from the server, by device and by how far back.
  const key = (device, shift) => `${device} ${shift}`;
  const stamp = (second) => new Date(Math.round(second * 1000)).toISOString();
  async function ask(device, metrics, from, until, more) {
    const query = new URLSearchParams({ metrics: metrics.join(","), from: stamp(from), until: stamp(until), ...more });
    const answer = await fetch(`/api/v1/devices/${encodeURIComponent(device)}/chart?${query}`, { headers: { "accept-language": lang } });
    return answer.ok ? answer.json() : null;
  }
  function wanted() {
    const all = new Map();
    const add = (device, shift, metric) => {
      const place = key(device, shift);
      if (!all.has(place)) all.set(place, { device, shift, metrics: new Set() });
      all.get(place).metrics.add(metric);
    };
    for (const chart of charts.values()) {
      for (const device of chart.devices) {
        add(device, 0, chart.metric);
        if (against) add(device, against, chart.metric);
      }
      for (const device of others) add(device, 0, chart.metric);
    }
    return all;
  }
  async function load() {
    const mine = ++loading, { from, until } = view;
    const width = Math.max(200, ...[...charts.values()].map((chart) => chart.plotBox.clientWidth || 0));
    const points = String(Math.min(1200, Math.round(width)));
    const found = await Promise.all([...wanted().entries()].map(async ([place, { device, shift, metrics }]) => {
      const answer = await ask(device, [...metrics], from - shift, until - shift, { points }).catch(() => null);
      return [place, answer && { ...answer, shift, metrics }];
    }));
    // Whoever zoomed on meanwhile wants something else.
    if (mine !== loading) return;
    sources.clear();
    for (const [place, source] of found) if (source) sources.set(place, source);
    loadedAt = Date.now();
    fit();
    for (const chart of charts.values()) draw(chart);
    keyOfMarks();
  }
  // Who asked for no range sees a new machine from its first number on, not an hour of nothing before it.
  function fit() {
    if (!view.fit) return;
    const known = [...sources.values()].flatMap((source) => source.at.length ? [source.at[0] / 1000] : []);
    const begin = Math.min(...known), now = Date.now() / 1000;
    if (known.length && begin > view.until - view.fit * 0.8) view.from = Math.max(now - view.fit, Math.min(begin - 5, now - 120));
    else view.fit = 0;
  }
  // What has come since: joined at the last point, which may have grown.
  async function goOn() {
    if (!view.live || document.hidden || !sources.size) return;
    const now = Date.now() / 1000, length = view.fit || view.until - view.from;
    const due = Math.max(4000, Math.min(300000, ...[...sources.values()].map((one) => one.step_ms)));
    if (Date.now() - loadedAt < due - 500) return;
    loadedAt = Date.now();
    const mine = loading;
    await Promise.all([...sources.values()].map(async (source) => {
      const since = Math.max(source.from, source.at.length ? source.at[source.at.length - 1] : source.from);
      const until = now * 1000 - source.shift * 1000;
      if (until - since < 1000) return;
      const more = { step_ms: String(source.step_ms), tier: source.tier };
      const answer = await ask(source.device, [...source.metrics], since / 1000, until / 1000, more).catch(() => null);
      if (!answer || mine !== loading) return;
      join(source, answer, (now - length - source.shift) * 1000);
    }));
    if (mine !== loading) return;
    view.from = view.fit ? Math.max(view.from, now - length) : now - length;
    view.until = now;
    for (const chart of charts.values()) draw(chart);
    keyOfMarks();
  }
  function join(source, answer, from) {
    const kept = source.at.findIndex((one) => one >= answer.from), cut = kept < 0 ? source.at.length : kept;
    const begin = source.at.findIndex((one) => one >= from - source.step_ms), low = begin < 0 ? cut : Math.min(begin, cut);
    const old = source.at.slice(low, cut);
    source.at = old.concat(answer.at);
    const none = (list) => list.map(() => null);
    const byName = new Map(answer.series.map((one) => [one.series, one]));
    for (const series of source.series) {
      const next = byName.get(series.series);
      const part = (name) => {
        const before = (series[name] || series.mean).slice(low, cut);
        return before.concat(next ? next[name] || next.mean : none(answer.at));
      };
      const folded = series.min || (next && next.min);
      const [mean, min, max] = [part("mean"), folded && part("min"), folded && part("max")];
      Object.assign(series, { mean, min, max, gap_ms: Math.max(series.gap_ms, next ? Math.min(next.gap_ms, series.gap_ms * 2) : 0) });
      byName.delete(series.series);
    }
    for (const series of byName.values()) {
      const part = (name) => series[name] && none(old).concat(series[name]);
      source.series.push({ ...series, mean: part("mean"), min: part("min"), max: part("max") });
    }
    const same = (mark) => `${mark.kind} ${mark.kind === "incident" ? mark.address : mark.from} ${mark.kind === "maintenance" ? mark.title : ""}`;
    const known = new Set(answer.marks.map(same));
    // A stretch of maintenance is cut off at the end of what was asked for.
    source.marks = source.marks.filter((mark) => !known.has(same(mark))).concat(answer.marks);
    source.limits = answer.limits;
  }

  // --- One chart: its lines on one axis of time.
  function linesOf(chart) {
    const lines = [], named = chart.devices.length + others.length > 1;
    const add = (source, own) => {
      let series = source.series.filter((one) => one.metric === chart.metric);
      series = own ? series.slice(chart.part * LINES, (chart.part + 1) * LINES) : series.slice(0, LINES);
      for (const one of series) {
        let label = one.subject || (named ? "" : one.title);
        if (named) label = label ? `${source.name} · ${label}` : source.name;
        if (source.shift) label += ` (${words[`against${source.shift / 86400}`] || ""})`;
        lines.push({ ...one, label, source, id: `${source.device} ${source.shift} ${one.series}` });
      }
    };
    for (const device of chart.devices) {
      const now = sources.get(key(device, 0)), then = against && sources.get(key(device, against));
      if (now) add(now, chart.devices.length === 1);
      if (then) add(then, chart.devices.length === 1);
    }
    for (const device of others) { const source = sources.get(key(device, 0)); if (source) add(source, false); }
    return lines.filter((line) => line.mean.some((one) => one != null)).slice(0, 24);
  }
  function aligned(lines) {
    // Where a line has a hole and no other a moment, one is put in: between two known points a line is drawn.
    const moments = new Set();
    for (const line of lines) {
      let before = null;
      line.source.at.forEach((ms, place) => {
        if (line.mean[place] == null) return;
        if (before != null && ms - before > line.gap_ms) moments.add(before + 1 + line.source.shift * 1000);
        moments.add(ms + line.source.shift * 1000);
        before = ms;
      });
    }
    const xs = [...moments].sort((one, next) => one - next), place = new Map(xs.map((ms, index) => [ms, index]));
    const data = [xs.map((ms) => ms / 1000)];
    for (const line of lines) {
      const lists = [line.mean, line.min || line.mean, line.max || line.mean].map((values) => {
        const list = new Array(xs.length).fill(undefined);
        let before = null;
        line.source.at.forEach((ms, index) => {
          if (values[index] == null) return;
          const here = place.get(ms + line.source.shift * 1000);
          if (before != null && ms - before > line.gap_ms) list[place.get(before + 1 + line.source.shift * 1000)] = null;
          list[here] = values[index];
          before = ms;
        });
        return list;
      });
      data.push(...lists);
    }
    return data;
  }
  // A point with nothing on either side would not be seen as a line.
  function lonely(u, series) {
    const list = u.data[series], found = [], [low, high] = u.series[0].idxs;
    const known = (from, step) => {
      let index = from + step;
      while (index >= 0 && index < list.length && list[index] === undefined) index += step;
      return list[index] != null;
    };
    for (let index = low; index <= high; index += 1) if (list[index] != null && !known(index, -1) && !known(index, 1)) found.push(index);
    return found.length ? found : null;
  }
  function limitsOf(chart) {
    const source = sources.get(key(chart.devices[0], 0));
    return source ? source.limits.filter((one) => one.metric === chart.metric) : [];
  }
  function marksOf(chart) {
    return chart.devices.flatMap((device) => (sources.get(key(device, 0)) || { marks: [] }).marks);
  }
  function range(chart, low, high) {
    if (low == null) return [0, 1];
    if (chart.unit === "%") return [Math.min(0, low), Math.max(100, high)];
    for (const limit of limitsOf(chart)) {
      // What is near is shown with the numbers; what is far would press them flat.
      if (limit.above && limit.value > high && limit.value < high * 1.5) high = limit.value;
      if (!limit.above && limit.value < low && limit.value > low / 1.5) low = limit.value;
    }
    if (low >= 0 && low < high * 0.6) low = 0;
    const room = (high - low || Math.abs(high) || 1) * 0.08;
    return [low === 0 ? 0 : low - room, high + room];
  }
  function build(chart, lines) {
    if (chart.plot) chart.plot.destroy();
    const series = [{}], bands = [];
    chart.linked = "";
    lines.forEach((line, index) => {
      const own = lines.filter((one) => !one.source.shift), like = own.findIndex((one) => one.series === line.series && one.source.device === line.source.device);
      const colour = colours.lines[(line.source.shift ? Math.max(0, like) : own.indexOf(line)) % LINES];
      line.colour = colour;
      const show = !chart.off.has(line.id), mean = 1 + index * 3;
      series.push({
        label: line.label, show, stroke: colour, width: 1.6, dash: line.source.shift ? [5, 4] : undefined, points: { show: false, filter: lonely, size: 4, fill: colour },
      });
      for (let edge = 0; edge < 2; edge += 1) series.push({ label: line.label, show: show && !!line.min && lines.length <= 3, stroke: null, width: 0, points: { show: false } });
      if (line.min && lines.length <= 3) bands.push({ series: [mean + 2, mean + 1], fill: faded(colour, 16) });
    });
    const axis = { stroke: colours.muted, font: "12px system-ui, sans-serif", grid: { stroke: colours.line, width: 1 }, ticks: { stroke: colours.line, width: 1, size: 4 } };
    const bytes = chart.unit.startsWith("By");
    chart.plot = new uPlot({
      width: Math.max(120, chart.plotBox.clientWidth), height: HEIGHT, legend: { show: false }, tzDate: (second) => uPlot.tzDate(new Date(second * 1000), zone),
      scales: { x: { time: true, range: () => [view.from, view.until] }, y: { range: (u, low, high) => range(chart, low, high) } },
      axes: [
        { ...axis, values: ticks, space: 64, size: (u, texts) => (texts || []).some((text) => text && text.includes("\n")) ? 40 : 26 },
        { ...axis, values: (u, splits) => splits.map((one) => said(one, chart.unit)), size: bytes ? 84 : 66, space: 34, ...(bytes ? { incrs: BINARY } : {}) },
      ],
      cursor: {
        y: false, points: { size: 7 }, sync: { key: "ioc", filters: { pub: (type) => type === "mousemove" || type === "mouseleave" } },
        drag: { x: true, y: false, setScale: false, dist: 5 },
        dataIdx: (u, index, place) => near(u, index, place),
        bind: { dblclick: () => () => { back(); return null; } },
      },
      series, bands,
      hooks: {
        setSelect: [(u) => {
          if (u.select.width < 5) return;
          const [from, until] = [u.posToVal(u.select.left, "x"), u.posToVal(u.select.left + u.select.width, "x")];
          u.setSelect({ left: 0, top: 0, width: 0, height: 0 }, false);
          zoom(from, until);
        }],
        setCursor: [() => tell(chart)],
        drawClear: [(u) => behind(u, chart)],
        draw: [(u) => { before(u, chart); links(u, chart); }],
      },
    }, aligned(lines), chart.plotBox);
    chart.lines = lines;
    touch(chart);
    legend(chart);
  }
  // The nearest known point of a line, not across a hole.
  function near(u, series, place) {
    const list = u.data[series];
    if (!series || !list || list[place] !== undefined) return place;
    for (let off = 1; off < 400; off += 1) {
      const [low, high] = [list[place - off], list[place + off]];
      if (low === null && high === null) return place;
      if (low != null) return place - off;
      if (high != null) return place + off;
    }
    return place;
  }
  function behind(u, chart) {
    const { ctx, bbox } = u, x = (ms) => u.valToPos(ms / 1000, "x", true);
    ctx.save();
    ctx.beginPath(); ctx.rect(bbox.left, bbox.top, bbox.width, bbox.height); ctx.clip();
    for (const mark of marksOf(chart)) {
      const colour = mark.severity === "critical" ? colours.bad : mark.kind === "incident" ? colours.warning : mark.kind === "maintenance" ? colours.planned : colours.away;
      const [from, until] = [x(mark.from), x(mark.open ? view.until * 1000 : mark.until == null ? mark.from : mark.until)];
      if (mark.open || mark.until != null) {
        ctx.fillStyle = faded(colour, 13);
        ctx.fillRect(from, bbox.top, Math.max(2, until - from), bbox.height);
      }
      ctx.fillStyle = faded(colour, 70);
      ctx.fillRect(from, bbox.top, uPlot.pxRatio, bbox.height);
    }
    ctx.restore();
  }
  function before(u, chart) {
    const { ctx, bbox } = u, ratio = uPlot.pxRatio;
    ctx.save();
    ctx.font = `${11 * ratio}px system-ui, sans-serif`;
    ctx.textBaseline = "bottom";
    const taken = [];
    for (const limit of limitsOf(chart)) {
      const y = u.valToPos(limit.value, "y", true);
      if (y < bbox.top - 1 || y > bbox.top + bbox.height) continue;
      const colour = limit.severity === "critical" ? colours.bad : colours.warning;
      ctx.strokeStyle = ctx.fillStyle = colour; ctx.lineWidth = ratio; ctx.setLineDash([6 * ratio, 4 * ratio]);
      ctx.beginPath(); ctx.moveTo(bbox.left, y); ctx.lineTo(bbox.left + bbox.width, y); ctx.stroke();
      const text = `${limit.title} ${limit.above ? ">" : "<"} ${said(limit.value, chart.unit)}`;
      // Two that are near each other have their texts at either end.
      const beside = taken.some((one) => Math.abs(one - y) < 15 * ratio);
      taken.push(y);
      ctx.textAlign = beside ? "left" : "right";
      ctx.fillText(text, beside ? bbox.left + 28 * ratio : bbox.left + bbox.width - 4 * ratio, y - bbox.top < 15 * ratio ? y + 14 * ratio : y - 2 * ratio);
    }
    ctx.restore();
  }
  // What is marked can be followed: a strip above the numbers, reached by pointer and keyboard.
  const SIGNS = { incident: "!", maintenance: "M", restart: "↻", software: "↑", remark: "i" };
  function links(u, chart) {
    const marks = marksOf(chart).filter((mark) => mark.from / 1000 < view.until && (mark.open || (mark.until || mark.from) / 1000 >= view.from));
    const state = JSON.stringify([marks, view.from, view.until, u.over.clientWidth]);
    if (state === chart.linked) return;
    chart.linked = state;
    chart.strip.remove();
    chart.strip = document.createElement("div");
    chart.strip.className = "chart-strip";
    for (const mark of marks.slice(0, 60)) {
      const link = document.createElement("a");
      link.href = mark.address;
      link.className = `chart-mark ${mark.kind} ${mark.severity}`;
      link.textContent = SIGNS[mark.kind];
      const until = mark.open ? "…" : mark.until == null || mark.until - mark.from < 1000 ? "" : ` ${GAP} ${at(whole, mark.until / 1000)}`;
      link.title = `${mark.title}\n${at(whole, mark.from / 1000)}${until}`;
      link.setAttribute("aria-label", link.title);
      link.style.left = `${Math.max(0, Math.min(u.over.clientWidth - 18, u.valToPos(mark.from / 1000, "x") - 9))}px`;
      chart.strip.append(link);
    }
    u.over.append(chart.strip);
  }
  function keyOfMarks() {
    const seen = new Set([...charts.values()].flatMap(marksOf).filter((one) => one.from / 1000 < view.until).map((one) => one.kind));
    tools.querySelectorAll("[data-mark]").forEach((one) => { one.hidden = !seen.has(one.dataset.mark); });
    const back = tools.querySelector("[data-do=back]");
    back.hidden = !view.before;
    tools.querySelector("[data-grows]").hidden = !view.live;
  }

  function legend(chart) {
    chart.legend.replaceChildren(...chart.lines.map((line, index) => {
      const item = document.createElement("li"), button = document.createElement("button");
      const [swatch, name, value, span] = ["span", "span", "b", "small"].map((tag) => document.createElement(tag));
      button.type = "button";
      button.className = "quiet";
      swatch.className = "swatch";
      swatch.style.background = line.colour;
      name.textContent = line.label;
      button.setAttribute("aria-pressed", String(!chart.off.has(line.id)));
      button.title = words.hide;
      button.addEventListener("click", () => {
        const show = chart.off.has(line.id);
        if (show) chart.off.delete(line.id); else chart.off.add(line.id);
        button.setAttribute("aria-pressed", String(show));
        chart.plot.batch(() => {
          chart.plot.setSeries(1 + index * 3, { show });
          if (line.min && chart.lines.length <= 3) [2, 3].forEach((edge) => chart.plot.setSeries(index * 3 + edge, { show }));
        });
      });
      button.append(swatch, name, " ", value, " ", span);
      item.append(button);
      line.shown = { value, span };
      return item;
    }));
    tell(chart);
  }
  // What the lines say at the cross-hair; their newest values, and from which to which they go, while it is nowhere.
  function tell(chart) {
    const u = chart.plot;
    if (!u || !chart.lines) return;
    const place = u.cursor.idx, over = u.cursor.left >= 0 && place != null;
    chart.lines.forEach((line, index) => {
      if (!line.shown) return;
      const list = u.data[1 + index * 3];
      if (over) {
        const here = near(u, 1 + index * 3, place);
        line.shown.value.textContent = said(list[here], line.unit, many);
        const [min, max] = [u.data[2 + index * 3][here], u.data[3 + index * 3][here]];
        line.shown.span.textContent = line.min && min != null && min < max ? `${said(min, line.unit)} ${GAP} ${said(max, line.unit)}` : "";
        return;
      }
      let [least, most, last] = [Infinity, -Infinity, null];
      u.data[0].forEach((second, at) => {
        if (second < view.from || second > view.until || list[at] == null) return;
        least = Math.min(least, u.data[2 + index * 3][at]); most = Math.max(most, u.data[3 + index * 3][at]); last = list[at];
      });
      line.shown.value.textContent = said(last, line.unit);
      line.shown.span.textContent = least <= most ? `${said(least, line.unit)} ${GAP} ${said(most, line.unit)}` : "";
    });
    // Its place may be one of numbers that are not there any more, until those of the new range have come.
    chart.output.textContent = over && u.data[0][place] != null ? at(whole, u.data[0][place]) : "";
  }
  function draw(chart) {
    const lines = linesOf(chart), before = chart.lines || [];
    if (!lines.length) {
      // Nothing is known of this time: what was drawn goes, and the place stays where it was seen.
      if (chart.plot) { chart.plot.destroy(); chart.plot = null; chart.lines = []; chart.legend.replaceChildren(); chart.output.textContent = words.unknown; }
      chart.drawing?.remove();
      chart.unitBox.textContent = "";
      chart.figure.classList.toggle("nothing", !chart.figure.hidden);
      return;
    }
    chart.figure.classList.remove("nothing");
    chart.drawing?.remove();
    chart.unitBox.textContent = "";
    chart.unit = lines[0].unit;
    if (chart.figure.hidden) chart.figure.hidden = false;
    const same = chart.plot && lines.length === before.length && lines.every((line, index) => line.id === before[index].id && !line.min === !before[index].min && line.label === before[index].label);
    if (!same) { build(chart, lines); return; }
    lines.forEach((line, index) => { line.shown = before[index].shown; line.colour = before[index].colour; });
    chart.lines = lines;
    chart.plot.setData(aligned(lines), true);
    tell(chart);
  }

  // --- Where one looks.
  function show(next, push = true) {
    next.before = push ? view : next.before;
    view = next;
    for (const chart of charts.values()) if (chart.plot) chart.plot.setScale("x", { min: view.from, max: view.until });
    if (main.querySelector("[data-still]")) {
      const address = new URL(location.href);
      if (view.before) {
        address.searchParams.delete("span");
        address.searchParams.set("from", stamp(view.from));
        address.searchParams.set("until", stamp(view.until));
      }
      history.replaceState(null, "", view.before ? address : first);
    }
    load();
  }
  function zoom(from, until) {
    const now = Date.now() / 1000, middle = (from + until) / 2, half = Math.max(SPAN_MIN, until - from) / 2;
    let [low, high] = [middle - half, middle + half];
    if (high > now) { low -= high - now; high = now; }
    show({ from: low, until: high, live: false });
  }
  function back() { if (view.before) { const { before } = view; if (before.live) { const now = Date.now() / 1000; before.from += now - before.until; before.until = now; } show(before, false); } }
  function nearer(factor, middle = (view.from + view.until) / 2) {
    zoom(middle - (middle - view.from) * factor, middle + (view.until - middle) * factor);
  }
  function along(part) {
    const by = (view.until - view.from) * part, now = Date.now() / 1000;
    const step = Math.min(by, Math.max(0, now - view.until));
    if (step) show({ from: view.from + step, until: view.until + step, live: false, before: view.before || view }, false);
  }

  function keys(chart, event) {
    const u = chart.plot;
    if (!u || event.ctrlKey || event.metaKey || event.altKey) return;
    const width = u.over.clientWidth, here = u.cursor.left >= 0 ? u.cursor.left : width / 2;
    const middle = u.posToVal(here, "x"), moved = (left) => u.setCursor({ left: Math.max(0, Math.min(width - 1, left)), top: HEIGHT / 3 }, true, true);
    const act = {
      ArrowLeft: () => event.shiftKey ? along(-0.25) : moved(here - Math.max(1, width / 120)),
      ArrowRight: () => event.shiftKey ? along(0.25) : moved(here + Math.max(1, width / 120)),
      Home: () => moved(0), End: () => moved(width - 1),
      "+": () => nearer(0.5, middle), "=": () => nearer(0.5, middle), "-": () => nearer(2, middle), Escape: back, Backspace: back,
    }[event.key];
    if (act) { event.preventDefault(); act(); }
  }
  // One finger reads, two look nearer; pages still scroll up and down.
  function touch(chart) {
    const fingers = new Map(), { over } = chart.plot;
    let begun = null;
    const spread = () => { const [one, other] = [...fingers.values()].sort((a, b) => a - b); return [one, Math.max(other, one + 10)]; };
    const left = (event) => event.clientX - over.getBoundingClientRect().left;
    over.addEventListener("pointerdown", (event) => {
      if (event.pointerType !== "touch") return;
      fingers.set(event.pointerId, left(event));
      chart.plot.setCursor({ left: left(event), top: HEIGHT / 3 }, true, true);
      if (fingers.size === 2) { const [one, other] = spread(); begun = [one, other].map((x) => chart.plot.posToVal(x, "x")); }
    });
    over.addEventListener("pointermove", (event) => {
      if (!fingers.has(event.pointerId)) return;
      fingers.set(event.pointerId, left(event));
      if (fingers.size === 1) chart.plot.setCursor({ left: left(event), top: HEIGHT / 3 }, true, true);
    });
    const lift = (event) => {
      if (fingers.size === 2 && begun) {
        const [one, other] = spread(), width = over.clientWidth, seconds = (begun[1] - begun[0]) / (other - one);
        const from = begun[0] - one * seconds;
        begun = null;
        zoom(from, from + width * seconds);
      }
      fingers.delete(event.pointerId);
    };
    over.addEventListener("pointerup", lift);
    over.addEventListener("pointercancel", (event) => { begun = null; fingers.delete(event.pointerId); });
  }

  // --- What is shown, as a file.
  function save(blob, name) {
    const link = document.createElement("a");
    link.href = URL.createObjectURL(blob);
    link.download = name;
    link.click();
    setTimeout(() => URL.revokeObjectURL(link.href), 10000);
  }
  const fileName = (chart, end) => `${chart.devices.join("_")}-${chart.metric}-${stamp(view.from).slice(0, 16).replace(/[:T]/g, "")}.${end}`;
  function picture(chart) {
    const from = chart.plot.ctx.canvas, ratio = uPlot.pxRatio, line = 20 * ratio;
    const image = document.createElement("canvas"), ctx = image.getContext("2d");
    image.width = from.width;
    image.height = from.height + line * (2.5 + chart.lines.length);
    ctx.fillStyle = colours.card; ctx.fillRect(0, 0, image.width, image.height);
    ctx.fillStyle = colours.ink; ctx.textBaseline = "middle"; ctx.font = `600 ${14 * ratio}px system-ui, sans-serif`;
    ctx.fillText(`${chart.title} · ${at(whole, view.from)} ${GAP} ${at(whole, view.until)}`, 10 * ratio, line);
    ctx.drawImage(from, 0, line * 1.8);
    ctx.font = `${12 * ratio}px system-ui, sans-serif`;
    chart.lines.forEach((one, index) => {
      const y = from.height + line * (2.3 + index);
      ctx.fillStyle = one.colour; ctx.fillRect(10 * ratio, y - 5 * ratio, 10 * ratio, 10 * ratio);
      ctx.fillStyle = colours.ink; ctx.fillText(`${one.label}  ${one.shown.value.textContent}  ${one.shown.span.textContent}`, 28 * ratio, y);
    });
    image.toBlob((blob) => save(blob, fileName(chart, "png")), "image/png");
  }
  function table(chart) {
    // A text that a spreadsheet would take for a formula is none.
    const field = (text) => `"${String(text).replace(/^[=+\-@]/, "'$&").replace(/"/g, '""')}"`;
    const units = chart.lines.map((line) => field(`${line.label}${line.unit ? ` [${line.unit}]` : ""}`));
    const rows = [[field(`${words.time} (${zone})`), ...units].join(",")], data = chart.plot.data;
    const local = new Intl.DateTimeFormat("sv-SE", { timeZone: zone, dateStyle: "short", timeStyle: "medium" });
    data[0].forEach((second, place) => {
      const cells = chart.lines.map((_, index) => data[1 + index * 3][place] ?? "");
      if (second >= view.from && second <= view.until && cells.some((one) => one !== "")) rows.push([at(local, second), ...cells].join(","));
    });
    save(new Blob(["\ufeff", rows.join("\r\n"), "\r\n"], { type: "text/csv;charset=utf-8" }), fileName(chart, "csv"));
  }

  // --- The figures of a page, and what comes later.
  function take(figure) {
    const { device, metric, part } = figure.dataset, caption = figure.querySelector("figcaption");
    const chart = {
      figure, devices: device.split(" "), metric, part: Number(part || 0), title: caption.querySelector("b").textContent, unit: "", off: new Set(), lines: null, plot: null,
      drawing: figure.querySelector(".drawing"), output: caption.querySelector("output"), unitBox: caption.querySelector(".in-unit"), legend: figure.querySelector(".legend"),
      plotBox: document.createElement("div"), strip: document.createElement("div"), linked: "",
    };
    chart.plotBox.className = "plot";
    chart.plotBox.tabIndex = 0;
    chart.plotBox.setAttribute("role", "group");
    chart.plotBox.setAttribute("aria-label", `${chart.title}. ${words.keys}`);
    chart.plotBox.addEventListener("keydown", (event) => keys(chart, event));
    chart.legend.before(chart.plotBox);
    for (const [text, act] of [["PNG", picture], ["CSV", table]]) {
      const button = document.createElement("button");
      button.type = "button";
      button.className = "quiet small-button";
      button.textContent = text;
      button.setAttribute("aria-label", `${chart.title}: ${text}`);
      button.addEventListener("click", () => chart.plot && act(chart));
      caption.append(button);
    }
    new ResizeObserver(() => { const width = chart.plotBox.clientWidth; if (chart.plot && width && width !== chart.plot.width) chart.plot.setSize({ width, height: HEIGHT }); }).observe(chart.plotBox);
    charts.set(figure, chart);
  }
  function scan() {
    let added = false;
    for (const figure of main.querySelectorAll("figure[data-metric]")) if (!charts.has(figure)) { take(figure); added = true; }
    for (const [figure, chart] of charts) if (!figure.isConnected) { chart.plot?.destroy(); charts.delete(figure); }
    return added;
  }
  function control() {
    tools.hidden = false;
    tools.addEventListener("click", (event) => {
      const what = event.target.closest("[data-do]")?.dataset.do;
      if (what === "back") back();
      if (what === "in") nearer(0.5);
      if (what === "out") nearer(2);
      if (what === "earlier") along(-0.5);
      if (what === "later") along(0.5);
    });
    const period = tools.querySelector("[data-against]");
    period?.addEventListener("change", () => { against = Number(period.value || 0) * 86400; load(); });
    const other = tools.querySelector("[data-with]"), list = tools.querySelector("datalist");
    let typed;
    const offer = async () => {
      const answer = await fetch(`/api/v1/devices?limit=12&search=${encodeURIComponent(other.value)}`).catch(() => null);
      if (!answer || !answer.ok) return;
      list.replaceChildren(...(await answer.json()).items.map((one) => { const option = document.createElement("option"); option.value = one.device; option.label = one.name; return option; }));
    };
    other?.addEventListener("input", () => { clearTimeout(typed); typed = setTimeout(offer, 250); });
    other?.addEventListener("change", () => {
      others = other.value.split(/[\s,]+/).filter((one) => /^[\w.-]{1,64}$/.test(one)).slice(0, 4);
      load();
    });
  }
  function begin() {
    tools = document.getElementById("chart-tools");
    if (!tools || !main.querySelector("figure[data-metric]")) return;
    words = tools.dataset;
    view = { from: Number(words.from) / 1000, until: Number(words.until) / 1000, live: words.live !== undefined, before: null };
    view.fit = words.fit === undefined ? 0 : view.until - view.from;
    first = location.href;
    colours = palette();
    control();
    scan();
    load();
    const anew = () => { colours = palette(); for (const chart of charts.values()) if (chart.lines?.length) build(chart, chart.lines); };
    matchMedia("(prefers-color-scheme: dark)").addEventListener("change", anew);
    uPlot.pxRatio && addEventListener("dppxchange", anew);
    document.addEventListener("ioc:fresh", () => { if (scan()) load(); else goOn(); });
  }
  begin();
})();
