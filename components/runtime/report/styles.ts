const light = `
  --page: #f6f7f9; --card: #ffffff; --text: #16202c; --soft: #566373; --rule: #d9dfe6; --tint: #eef1f5; --link: #1553b6;
  --pass: #0b6b3a; --pass-tint: #e3f4ea; --degraded: #8a4b00; --degraded-tint: #fdf0dc; --fail: #b01e1e; --fail-tint: #fce8e7;
  --unclear: #5b3f9e; --unclear-tint: #efeafa;
  --chart-live: #1764c0; --chart-shadow: #c2410c; --chart-gap: #3f4a57; --chart-fault: #c81e1e; --chart-band: #15803d;
  --chart-bound: #9a2020; --chart-text: #44505e; --chart-rule: #ccd3db;`;

const dark = `
  --page: #0f141a; --card: #171e26; --text: #e6ebf1; --soft: #a3b0be; --rule: #2d3844; --tint: #1f2833; --link: #8ab8ff;
  --pass: #6fd69b; --pass-tint: #12301f; --degraded: #f3b662; --degraded-tint: #38270d; --fail: #ff938c; --fail-tint: #401a1a;
  --unclear: #c3b0ff; --unclear-tint: #2a2246;
  --chart-live: #6cb1ff; --chart-shadow: #ff9457; --chart-gap: #ccd5de; --chart-fault: #ff6b6b; --chart-band: #4ade80;
  --chart-bound: #ff9b95; --chart-text: #b4bfca; --chart-rule: #3a4652;`;

/** The page's style sheet: light and dark, print, and everything from 320 px upwards without scrolling sideways. */
export const styles = `
:root { color-scheme: light dark; ${light} }
@media (prefers-color-scheme: dark) { :root { ${dark} } }
* { box-sizing: border-box; }
html { -webkit-text-size-adjust: 100%; }
body { margin: 0; background: var(--page); color: var(--text); font: 16px/1.5 system-ui, -apple-system, "Segoe UI", Roboto, sans-serif; overflow-wrap: anywhere; }
main, .top { max-width: 1160px; margin: 0 auto; padding: 0 24px; }
a { color: var(--link); }
h1, h2, h3, p { margin: 0; }
h2 { font-size: 22px; line-height: 1.25; margin: 44px 0 14px; letter-spacing: -0.01em; }
h3 { font-size: 18px; line-height: 1.3; }
h3.sub { font-size: 15px; margin: 22px 0 8px; }
.soft { color: var(--soft); }
.small { font-size: 14px; }
code, pre, .mono { font-family: ui-monospace, SFMono-Regular, Menlo, Consolas, monospace; font-size: 13px; }
pre { margin: 0; padding: 14px 16px; background: var(--tint); border-radius: 8px; white-space: pre-wrap; }
.top { display: flex; flex-wrap: wrap; gap: 4px 20px; align-items: baseline; padding-top: 20px; padding-bottom: 16px; }
.top strong { font-size: 16px; letter-spacing: -0.01em; }
.card { background: var(--card); border: 1px solid var(--rule); border-radius: 12px; padding: 22px 24px; }
.card + .card { margin-top: 16px; }
.hero { border-left: 8px solid var(--tone); }
.hero h1 { display: flex; flex-wrap: wrap; align-items: center; gap: 14px; font-size: 30px; line-height: 1.15; letter-spacing: -0.02em; }
.hero .why { font-size: 20px; line-height: 1.4; margin-top: 12px; max-width: 60ch; }
.hero .meaning { margin-top: 8px; }
.pass { --tone: var(--pass); --tone-tint: var(--pass-tint); }
.degraded { --tone: var(--degraded); --tone-tint: var(--degraded-tint); }
.fail { --tone: var(--fail); --tone-tint: var(--fail-tint); }
.inconclusive, .noData, .cut { --tone: var(--unclear); --tone-tint: var(--unclear-tint); }
.badge { display: inline-flex; align-items: center; gap: 6px; padding: 2px 10px; border-radius: 999px; background: var(--tone-tint); color: var(--tone); font-size: 14px; font-weight: 650; line-height: 1.6; white-space: nowrap; }
.hero .badge { font-size: 24px; padding: 4px 18px; }
.notice { margin-top: 16px; padding: 14px 18px; border-radius: 10px; background: var(--tone-tint); color: var(--tone); font-weight: 600; }
.facts { display: grid; grid-template-columns: repeat(4, 1fr); gap: 16px; margin: 16px 0 0; }
.facts > div { background: var(--card); border: 1px solid var(--rule); border-radius: 12px; padding: 14px 18px; }
.facts dt { color: var(--soft); font-size: 14px; }
.facts dd { margin: 2px 0 0; font-size: 24px; font-weight: 650; line-height: 1.2; letter-spacing: -0.02em; }
.facts dd + dd { font-size: 14px; font-weight: 400; color: var(--soft); margin-top: 4px; letter-spacing: 0; line-height: 1.4; }
.list { list-style: none; margin: 0; padding: 0; }
.summary li { display: grid; grid-template-columns: 134px 1fr; gap: 6px 14px; padding: 14px 0; border-top: 1px solid var(--rule); align-items: start; }
.summary li:first-child { border-top: 0; padding-top: 0; }
.summary li:last-child { padding-bottom: 0; }
.summary .say { margin-top: 2px; }
.head { display: flex; flex-wrap: wrap; gap: 10px 14px; align-items: center; }
.letter { justify-self: start; display: inline-flex; align-items: center; justify-content: center; min-width: 24px; height: 24px; padding: 0 6px; border-radius: 6px; background: var(--fail-tint); color: var(--fail); border: 1px solid var(--fail); font-weight: 700; font-size: 13px; line-height: 1; }
table { border-collapse: collapse; width: 100%; font-size: 14px; line-height: 1.45; }
th { text-align: left; color: var(--soft); font-weight: 600; padding: 8px 10px 8px 0; border-bottom: 1px solid var(--rule); vertical-align: bottom; }
td { padding: 9px 10px 9px 0; border-bottom: 1px solid var(--rule); vertical-align: top; }
tr:last-child td { border-bottom: 0; }
th, td.number, td[data-label="measured"] b { overflow-wrap: normal; }
.number { font-variant-numeric: tabular-nums; }
td .why { display: block; color: var(--soft); font-size: 13px; }
.ok { color: var(--pass); font-weight: 600; }
.bad { color: var(--fail); font-weight: 600; }
.figures { display: grid; grid-template-columns: repeat(2, minmax(0, 1fr)); gap: 22px 28px; margin-top: 16px; }
figure { margin: 0; break-inside: avoid; }
figcaption { font-size: 14px; line-height: 1.4; margin-bottom: 6px; }
figcaption strong { display: block; font-size: 15px; }
figcaption span { color: var(--soft); }
figure svg { display: block; width: 100%; height: auto; }
figure .narrow { display: none; }
.stack > figure + figure { margin-top: 26px; }
.key { display: flex; flex-wrap: wrap; gap: 6px 20px; font-size: 14px; color: var(--soft); margin-top: 10px; }
.key span { display: inline-flex; align-items: center; gap: 8px; }
.key i { width: 26px; height: 0; border-top: 3px solid; flex: none; }
.key .area { height: 14px; border: 1px dashed; border-top-width: 1px; }
.k-live { border-color: var(--chart-live) !important; border-top-style: dashed !important; }
.k-shadow { border-color: var(--chart-shadow) !important; }
.k-gap { border-color: var(--chart-gap) !important; }
.k-fault { border: 1px solid var(--chart-fault) !important; background: color-mix(in srgb, var(--chart-fault) 16%, transparent); }
.k-band { border-color: var(--chart-band) !important; background: color-mix(in srgb, var(--chart-band) 22%, transparent); }
.k-bound { border-color: var(--chart-bound) !important; border-top-style: dotted !important; }
.map { display: flex; align-items: stretch; gap: 34px; }
.tier { flex: 1 1 0; min-width: 0; position: relative; border: 1px solid var(--rule); border-radius: 10px; padding: 14px; background: var(--tint); }
.tier::after { content: "→"; position: absolute; right: -28px; top: 50%; transform: translateY(-50%); color: var(--soft); font-size: 20px; }
.tier:last-child::after { content: none; }
.tier.outside { flex: 0 1 180px; background: none; border-style: dashed; display: flex; flex-direction: column; justify-content: center; }
.tier h3 { font-size: 15px; }
.place { background: var(--card); border: 1px solid var(--rule); border-radius: 8px; padding: 9px 12px; margin-top: 10px; font-size: 14px; }
.place.hit { border: 2px dashed var(--fail); }
.place b { font-weight: 600; }
.hits { list-style: none; margin: 6px 0 0; padding: 0; display: grid; gap: 5px; font-size: 13px; color: var(--fail); }
.hits li { display: flex; gap: 8px; align-items: center; }
.bar { display: flex; height: 18px; border-radius: 6px; overflow: hidden; border: 1px solid var(--rule); background: var(--tint); margin: 12px 0 8px; }
.bar i { background: var(--chart-live); }
details { border-top: 1px solid var(--rule); margin-top: 16px; padding-top: 12px; }
details > summary { cursor: pointer; font-weight: 600; }
details > summary + * { margin-top: 14px; }
.two { display: grid; grid-template-columns: repeat(2, minmax(0, 1fr)); gap: 16px; align-items: start; }
.two > .card + .card { margin-top: 0; }
.pairs { display: grid; grid-template-columns: max-content minmax(0, 1fr); gap: 6px 18px; margin: 0; font-size: 14px; }
.pairs dt { color: var(--soft); }
.pairs dd { margin: 0; }
footer { max-width: 1160px; margin: 40px auto 0; padding: 18px 24px 40px; color: var(--soft); font-size: 14px; }
@media screen and (max-width: 820px) {
  main, .top, footer { padding-left: 16px; padding-right: 16px; }
  .facts { grid-template-columns: repeat(2, 1fr); gap: 10px; }
  .facts > div { padding: 12px 14px; }
  .facts dd { font-size: 20px; }
  .figures, .two { grid-template-columns: minmax(0, 1fr); }
  .card { padding: 18px 16px; }
  .hero h1 { font-size: 24px; }
  .hero .badge { font-size: 20px; }
  .hero .why { font-size: 18px; }
  .summary li { grid-template-columns: minmax(0, 1fr); }
  .map { flex-direction: column; gap: 30px; }
  .tier.outside { flex: none; }
  .tier::after { content: "↓"; right: 50%; top: auto; bottom: -30px; transform: translateX(50%); }
  .pairs { grid-template-columns: minmax(0, 1fr); gap: 0; }
  .pairs dd { margin-bottom: 8px; }
  table, tbody, tr, td { display: block; width: 100%; }
  thead { position: absolute; width: 1px; height: 1px; overflow: hidden; clip-path: inset(50%); }
  tr { padding: 12px 0; border-bottom: 1px solid var(--rule); }
  tr:last-child { border-bottom: 0; }
  td { display: grid; grid-template-columns: 108px minmax(0, 1fr); gap: 10px; border: 0; padding: 2px 0; }
  td { overflow-wrap: anywhere; }
  td::before { content: attr(data-label); color: var(--soft); }
  figure .wide { display: none; }
  figure .narrow { display: block; }
}
@media print {
  :root { color-scheme: light; ${light} --page: #ffffff; }
  @page { size: A4; margin: 14mm; }
  body { font-size: 10.5pt; }
  table { font-size: 9pt; }
  td .why, .small, figcaption { font-size: 8.5pt; }
  pre, code, .mono { font-size: 8pt; }
  .map { gap: 26px; }
  .tier { padding: 8px; }
  .tier::after { right: -23px; }
  .tier.outside { flex: 0 1 110px; }
  .place { padding: 6px 8px; font-size: 9pt; }
  .hits { font-size: 8.5pt; }
  .screen { display: none; }
  main, .top, footer { max-width: none; padding: 0; }
  .card, .facts > div { break-inside: avoid; }
  .card.long { break-inside: auto; border: 0; padding: 0; }
  tr, .place, .summary li { break-inside: avoid; }
  h2, h3 { break-after: avoid; }
  .facts { grid-template-columns: repeat(4, 1fr); }
  .figures { grid-template-columns: repeat(2, minmax(0, 1fr)); }
  details::details-content { content-visibility: visible; block-size: auto; display: block; }
  * { print-color-adjust: exact; -webkit-print-color-adjust: exact; }
}
`;
