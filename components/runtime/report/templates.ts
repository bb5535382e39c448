/** The page, from the first glance downwards. `<%= %>` escapes; `<%~ %>` takes only drawings and other templates. */
export const templates: Record<string, string> = {
  "@page": `<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta http-equiv="Content-Security-Policy" content="default-src 'none'; style-src 'unsafe-inline'; img-src data:">
<meta name="referrer" content="no-referrer">
<title><%= it.title %></title>
<link rel="icon" href="data:,">
<style><%~ it.styles %></style>
</head>
<body>
<header class="top"><strong>shadownet</strong><span class="soft">experiment report for <b><%= it.network %></b></span><span class="soft"><%= it.when %></span></header>
<main>
<%~ include("@verdict", it) %>
<%~ include("@overview", it) %>
<%~ include("@places", it) %>
<% for (const experiment of it.experiments) { %><%~ include("@experiment", experiment) %><% } %>
<%~ include("@trust", it) %>
<%~ include("@machines", it) %>
<%~ include("@timeline", it) %>
<%~ include("@again", it) %>
<%~ include("@reading", it) %>
</main>
<footer>Made by shadownet <%= it.version %> from journal <code><%= it.id %></code>. All times are UTC. The page is one file and loads nothing.</footer>
</body>
</html>
`,

  "@badge": `<span class="badge <%= it.key %>"><span aria-hidden="true"><%= it.mark %></span><%= it.word %></span>`,

  "@verdict": `<section aria-label="Verdict">
<div class="card hero <%= it.verdict.key %>">
<h1><%~ include("@badge", it.verdict) %></h1>
<p class="why"><%= it.sentence %></p>
<p class="meaning soft small"><%= it.verdict.word %>: <%= it.verdict.meaning %></p>
<% for (const notice of it.notices) { %><p class="notice <%= notice.tone %>" role="note"><%= notice.text %></p><% } %>
</div>
<dl class="facts"><% for (const fact of it.facts) { %><div><dt><%= fact.name %></dt><dd><%= fact.value %></dd><dd><%= fact.more %></dd></div><% } %></dl>
<% if (it.experiments.length > 0) { %>
<h2>What was tried</h2>
<div class="card"><ul class="list summary"><% for (const one of it.experiments) { %>
<li><div><%~ include("@badge", one.verdict) %></div><div><a href="#<%= one.anchor %>"><b><%= one.title %></b></a>
<p class="say"><%= one.sentence %></p><p class="soft small"><%= one.broke %></p></div></li><% } %></ul></div>
<% } %>
</section>`,

  "@key": `<div class="key" aria-label="Key to the charts"><span><i class="k-live"></i>live (dashed)</span><span><i class="k-shadow"></i>shadow (solid)</span><span><i class="k-gap"></i>gap = shadow − live, levelled on the baseline (lower panel)</span><span><i class="area k-fault"></i>a fault was active</span><span><i class="area k-band"></i>margin within which a gap does not matter</span><span><i class="k-bound"></i>bound of the hypothesis</span></div>`,

  "@figure": `<figure><figcaption><strong><%= it.title %></strong><span><%= it.caption %></span></figcaption><% if (it.narrow) { %><div class="wide"><%~ it.svg %></div><div class="narrow"><%~ it.narrow %></div><% } else { %><%~ it.svg %><% } %></figure>`,

  "@overview": `<% if (it.overview.length > 0) { %><section><h2>The whole run</h2>
<div class="card stack long"><% for (const figure of it.overview) { %><%~ include("@figure", figure) %><% } %><%~ include("@key") %>
<% if (it.letters.length > 0) { %><p class="small soft" style="margin-top:8px"><% it.letters.forEach((one, index) => { %><%= index > 0 ? " · " : "" %><b><%= one.letter %></b> <%= one.text %><% }) %></p><% } %></div></section><% } %>`,

  "@places": `<% if (it.tiers.length > 0) { %><section><h2>Where it hit</h2>
<div class="card"><div class="map" role="group" aria-label="The shadow's machines by subnet or tier, with the faults where they hit">
<div class="tier outside"><h3>outside</h3><p class="soft small">mirrored live traffic, replayed by the gateway</p></div>
<% for (const tier of it.tiers) { %><div class="tier"><h3><%= tier.name %></h3><p class="soft small"><%= tier.services.join(", ") || "no service" %></p><%~ include("@hits", tier) %>
<% for (const place of tier.machines) { %><div class="place<%= place.faults.length > 0 ? " hit" : "" %>"><b><%= place.name %></b><% if (place.also.length > 0) { %> <span class="soft small">also in <%= place.also.join(", ") %></span><% } %><%~ include("@hits", place) %></div><% } %>
<% if (tier.more > 0) { %><p class="soft small">and <%= tier.more %> more that nothing hit</p><% } %></div><% } %>
</div><% for (const one of it.subnets) { %><p class="small" style="margin-top:12px"><b>subnet <%= one.link %></b></p><%~ include("@hits", one) %><% } %></div></section><% } %>`,

  "@hits": `<% if (it.faults.length > 0) { %><ul class="hits"><% for (const fault of it.faults) { %><li><span class="letter"><%= fault.letter %></span><%= fault.text %></li><% } %></ul><% } %>`,

  "@experiment": `<section id="<%= it.anchor %>"><h2><%= it.title %></h2>
<div class="card long"><div class="head"><%~ include("@badge", it.verdict) %><span><%= it.sentence %></span></div>
<% if (it.faults.length > 0) { %><h3 class="sub">What was broken, and the proof</h3>
<table><thead><tr><th></th><th>fault</th><th>where</th><th>when</th><th>asked</th><th>measured</th><th>proof</th></tr></thead><tbody>
<% for (const fault of it.faults) { %><tr><td data-label="in the charts"><span class="letter"><%= fault.letter %></span></td><td data-label="fault"><span><b><%= fault.kind %></b><span class="why"><%= fault.action %>, by <%= fault.mechanism %></span></span></td><td data-label="where"><%= fault.target %></td><td data-label="when"><span class="number"><%= fault.when %><span class="why"><%= fault.clock %></span></span></td><td data-label="asked" class="number"><%= fault.asked %></td><td data-label="measured" class="number"><%= fault.measured %></td><td data-label="proof"><span><span class="<%= fault.proven ? "ok" : "bad" %>"><%= fault.proven ? "✓ proven" : "✕ not proven" %></span><span class="why"><%= fault.why %></span></span></td></tr><% } %>
</tbody></table><% } %>
<% if (it.probes.length > 0) { %><h3 class="sub">Hypothesis<%= it.hypothesis %></h3>
<table><thead><tr><th>probe</th><th>before</th><th>during</th><th>after</th></tr></thead><tbody>
<% for (const probe of it.probes) { %><tr><td data-label="probe"><b><%= probe.name %></b></td><% for (const cell of probe.cells) { %><td data-label="<%= cell.when %>"><span><span class="<%= cell.tone %>"><%= cell.word %></span><span class="why"><%= cell.why %></span></span></td><% } %></tr><% } %>
</tbody></table><% } %>
<% if (it.commands.length > 0) { %><h3 class="sub">Run-book steps</h3>
<table><thead><tr><th>step</th><th>machine</th><th>took</th><th>result</th></tr></thead><tbody>
<% for (const step of it.commands) { %><tr><td data-label="step"><%= step.action %></td><td data-label="machine"><%= step.machine %></td><td data-label="took" class="number"><%= step.took %></td><td data-label="result"><span class="<%= step.ok ? "ok" : "bad" %>"><%= step.result %></span></td></tr><% } %>
</tbody></table><% } %>
<% if (it.effects.length + it.folded.length > 0) { %><h3 class="sub">What it did, compared with live</h3>
<%~ include("@effects", { effects: it.effects }) %>
<% if (it.folded.length > 0) { %><details><summary><%= it.foldedSummary %></summary><div><%~ include("@effects", { effects: it.folded }) %></div></details><% } %><% } else { %><p class="soft" style="margin-top:16px">Nothing was analysed: <%= it.noEffects %></p><% } %>
<% if (it.latencies.length > 0) { %><h3 class="sub">Response times of all requests</h3>
<table><thead><tr><th>while</th><th>side</th><th>requests</th><th>failed</th><th>median</th><th>95th percentile</th><th>99th percentile</th><th>slowest</th></tr></thead><tbody>
<% for (const row of it.latencies) { %><tr><td data-label="while"><b><%= row.phase %></b></td><td data-label="side"><%= row.side %></td><% for (const cell of row.cells) { %><td data-label="<%= cell.label %>" class="number"><%= cell.text %></td><% } %></tr><% } %>
</tbody></table><% } %>
<% if (it.doses.length > 0) { %><h3 class="sub">How it grows with the strength of the fault</h3><ul><% for (const dose of it.doses) { %><li><%= dose %></li><% } %></ul><% } %>
<% if (it.figures.length > 0) { %><div class="figures"><% for (const figure of it.figures) { %><%~ include("@figure", figure) %><% } %></div><% } %>
<% if (it.exact.length > 0) { %><details><summary>Exact commands</summary><div><% for (const one of it.exact) { %><p class="small" style="margin:10px 0 6px"><b><%= one.action %></b><%= one.notes %></p><pre><%= one.text %></pre><% } %></div></details><% } %>
<details class="screen"><summary>Definition</summary><pre><%= it.definition %></pre></details>
</div></section>`,

  "@effects": `<table><thead><tr><th>measured</th><th>machine</th><th>effect</th><th>95 % interval</th><th>q</th><th>began after</th><th>recovered after</th><th>verdict</th></tr></thead><tbody>
<% for (const effect of it.effects) { %><tr><td data-label="measured"><span><b><%= effect.name %></b><span class="why">fault <%= effect.letter %></span></span></td><td data-label="machine"><%= effect.target %></td><td data-label="effect" class="number"><%= effect.size %></td><td data-label="95 % interval" class="number"><%= effect.interval %></td><td data-label="q" class="number"><%= effect.q %></td><td data-label="began after" class="number"><%= effect.onset %></td><td data-label="recovered" class="number"><%= effect.recovery %></td><td data-label="verdict"><span><%~ include("@badge", effect.verdict) %><span class="why"><%= effect.why %></span></span></td></tr><% } %>
</tbody></table>`,

  "@trust": `<section><h2>How far to trust it</h2><div class="two">
<div class="card"><h3>Coverage</h3><% if (it.coverage) { %>
<div class="bar" role="img" aria-label="<%= it.coverage.share %> of the mirrored requests were replayed"><i style="width:<%= it.coverage.width %>%"></i></div>
<p><b><%= it.coverage.share %></b> of <%= it.coverage.onWire %> mirrored requests were replayed into the shadow.<% if (it.coverage.unseen) { %> <%= it.coverage.unseen %><% } %></p>
<table style="margin-top:10px"><thead><tr><th>what became of them</th><th>requests</th></tr></thead><tbody><% for (const part of it.coverage.parts) { %><tr><td data-label="what"><%= part.name %></td><td data-label="requests" class="number"><%= part.count %></td></tr><% } %></tbody></table>
<% } else { %><p class="soft" style="margin-top:8px">It was not counted before the run ended.</p><% } %></div>
<div class="card"><h3>Fidelity</h3><% if (it.fidelity.length > 0) { %><p class="soft small" style="margin:6px 0 10px"><%= it.fidelitySummary %></p>
<table><thead><tr><th>part of production</th><th>in the shadow</th></tr></thead><tbody><% for (const item of it.fidelity) { %><tr><td data-label="part"><%= item.subject %></td><td data-label="in the shadow"><span><b><%= item.outcome %></b><span class="why"><%= item.reason %></span></span></td></tr><% } %></tbody></table>
<% if (it.cloned) { %><p class="soft small" style="margin-top:10px"><%= it.cloned %></p><% } %>
<% } else { %><p class="soft" style="margin-top:8px"><%= it.fidelitySummary %></p><% } %></div></div></section>`,

  "@machines": `<% if (it.machines.length > 0) { %><section><h2>Machines</h2><div class="card long">
<% it.machines.forEach((machine, index) => { %><details<%= index === 0 ? " open" : "" %><% if (index === 0) { %> style="border-top:0;margin-top:0;padding-top:0"<% } %>><summary><%= machine.name %><%= machine.affected ? " (hit by a fault)" : "" %></summary><div class="figures"><% for (const figure of machine.figures) { %><%~ include("@figure", figure) %><% } %></div></details><% }) %>
<% if (it.omitted > 0) { %><p class="soft small" style="margin-top:14px"><%= it.omitted %> machines that no fault hit are left out here; their samples lie beside the journal.</p><% } %></div></section><% } %>`,

  "@timeline": `<section><h2>What happened when</h2><div class="card long">
<h3>Alarms</h3><% if (it.alarms.length > 0) { %><table style="margin-top:8px"><thead><tr><th>time</th><th>alarm</th><th>severity</th><th>state</th><th>value</th></tr></thead><tbody>
<% for (const alarm of it.alarms) { %><tr><td data-label="time" class="number"><%= alarm.time %></td><td data-label="alarm"><b><%= alarm.name %></b></td><td data-label="severity"><%= alarm.severity %></td><td data-label="state"><%= alarm.state %></td><td data-label="value" class="number"><%= alarm.value %></td></tr><% } %>
</tbody></table><% } else { %><p class="soft small" style="margin-top:6px">No alarm fired.</p><% } %>
<h3 style="margin-top:24px">Phases and events</h3><table style="margin-top:8px"><thead><tr><th>time</th><th>since start</th><th>kind</th><th>what</th></tr></thead><tbody>
<% for (const event of it.events) { %><tr><td data-label="time" class="number"><%= event.time %></td><td data-label="since start" class="number"><%= event.offset %></td><td data-label="kind"><%= event.kind %></td><td data-label="what"><%= event.message %></td></tr><% } %>
</tbody></table><% if (it.moreEvents > 0) { %><p class="soft small" style="margin-top:10px"><%= it.moreEvents %> more events are in the journal.</p><% } %></div></section>`,

  "@again": `<section><h2>Run it again</h2><div class="card"><pre><%= it.command %></pre>
<p class="soft small" style="margin:10px 0 16px">The seed fixes sampling, random faults and pulse times. <code>shadownet report --compare</code> <%= it.id %> and the new run's id shows what changed.</p>
<dl class="pairs"><% for (const pair of it.versions) { %><dt><%= pair.name %></dt><dd class="mono"><%= pair.value %></dd><% } %></dl></div></section>`,

  "@reading": `<section><h2>How to read this</h2><div class="card"><dl class="pairs">
<dt>live, shadow</dt><dd>production, and its isolated copy that gets a copy of the same traffic; faults are made only in the shadow</dd>
<dt>gap</dt><dd>shadow minus calibrated live: what both share (load, time of day) cancels out</dd>
<dt>effect</dt><dd>how far the fault moved the gap away from its baseline (Hodges-Lehmann shift), and in percent of the usual level</dd>
<dt>95 % interval</dt><dd>where the true effect lies, widened for samples that depend on each other</dd>
<dt>pp</dt><dd>percentage points: from 2 % to 5 % is +3 pp</dd>
<dt>q</dt><dd>share of false finds to expect among effects as clear as this one; small is sure</dd>
<% for (const one of it.verdicts) { %><dt><%~ include("@badge", one) %></dt><dd><%= one.meaning %></dd><% } %>
</dl></div></section>`,
};
