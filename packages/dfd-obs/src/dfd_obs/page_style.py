"""The style of a report's page: light, dark and on paper, from a phone's width on."""

STYLE = """
:root {
  color-scheme: light dark;
  --page: #ffffff; --ink: #1f2328; --quiet: #57606a; --line: #d0d7de; --soft: #f6f8fa; --link: #0757ba;
  --bad: #a40e26; --bad-soft: #ffebe9; --slow: #7a4b00; --slow-soft: #fff3cf; --time: #4a6fd0; --rows: #3f8f6b;
}
@media (prefers-color-scheme: dark) {
  :root {
    --page: #0d1117; --ink: #e6edf3; --quiet: #9aa4af; --line: #343b44; --soft: #161b22; --link: #79b8ff;
    --bad: #ff9a92; --bad-soft: #3a1719; --slow: #f0c36a; --slow-soft: #33270c; --time: #7f9cf0; --rows: #5cb38b;
  }
}
* { box-sizing: border-box; }
html { background: var(--page); color: var(--ink); -webkit-text-size-adjust: 100%; text-size-adjust: 100%; }
body { font: 15px/1.5 system-ui, sans-serif; margin: 0 auto; max-width: 80rem; padding: 1.25rem 1rem 4rem; overflow-wrap: anywhere; }
h1 { font-size: 1rem; font-weight: 600; margin: 0; color: var(--quiet); }
h2 { font-size: 1.15rem; margin: 2rem 0 .6rem; }
p { margin: .4rem 0; }
a { color: var(--link); }
:focus-visible { outline: 2px solid var(--link); outline-offset: 2px; border-radius: 3px; }
.quiet { color: var(--quiet); }
.figures-head { display: flex; flex-wrap: wrap; gap: .5rem; margin: .6rem 0; font-size: 1.1rem; }
.badge { display: inline-block; border: 1px solid var(--line); background: var(--soft); border-radius: 6px; padding: .05rem .5rem; white-space: nowrap; }
.badge.bad { color: var(--bad); background: var(--bad-soft); border-color: currentColor; }
.badge.slow { color: var(--slow); background: var(--slow-soft); border-color: currentColor; }
nav { display: flex; flex-wrap: wrap; gap: .2rem 1rem; margin: 1rem 0; }
.scroll { overflow-x: auto; border: 1px solid var(--line); border-radius: 6px; }
table { border-collapse: collapse; width: 100%; font-size: .88rem; }
th, td { padding: .3rem .6rem; text-align: left; vertical-align: top; border-bottom: 1px solid var(--line); }
tr:last-child td { border-bottom: 0; }
th { background: var(--soft); white-space: nowrap; font-weight: 600; }
td { min-width: 4rem; max-width: 32rem; overflow-wrap: break-word; }
td:first-child { white-space: nowrap; max-width: none; }
.n { text-align: right; font-variant-numeric: tabular-nums; white-space: nowrap; }
tr.bad td:first-child { box-shadow: inset 4px 0 var(--bad); }
tr.slow td:first-child { box-shadow: inset 4px 0 var(--slow); }
tr:target, details:target > summary { background: var(--slow-soft); }
code { font: .85em/1.45 ui-monospace, monospace; white-space: pre-wrap; }
dl { display: grid; grid-template-columns: max-content minmax(0, 1fr); gap: .1rem 1rem; margin: .5rem 0; font-size: .9rem; }
dt { color: var(--quiet); } dd { margin: 0; }
summary { cursor: pointer; }
.query { border: 1px solid var(--line); border-radius: 6px; padding: .5rem .8rem; margin: .5rem 0; }
.query > summary > * { margin-right: .8rem; }
.folded > summary > h2 { display: inline; } .folded > summary { margin: 1rem 0 .6rem; }
.plan, .plan ul { list-style: none; margin: 0; padding-left: .9rem; border-left: 1px solid var(--line); }
.plan { padding-left: 0; border-left: 0; margin-top: .6rem; }
.plan li { margin: .15rem 0; }
.figures { display: inline-flex; flex-wrap: wrap; align-items: center; gap: 0 .5rem; margin-left: .6rem; font-size: .88rem; }
.figure { font-variant-numeric: tabular-nums; color: var(--quiet); }
.bar { display: inline-block; width: 5rem; height: .6rem; background: var(--soft); border: 1px solid var(--line); border-radius: 3px; overflow: hidden; }
.bar i { display: block; height: 100%; background: var(--time); } .bar.rows i { background: var(--rows); }
.plan dl { margin: .1rem 0 .1rem 1rem; font-size: .85rem; }
.detail { margin: .1rem 0 .1rem 1rem; font: .8rem/1.45 ui-monospace, monospace; color: var(--quiet); }
.extras { margin-left: 1rem; font-size: .82rem; color: var(--quiet); }
@media (max-width: 40rem) {
  dl { gap: .1rem .6rem; }
  .figures { margin-left: 1rem; display: flex; } .plan ul { padding-left: .5rem; } .bar { width: 3.5rem; }
}
@media print {
  :root { --page: #fff; --ink: #000; --soft: #fff; }
  body { max-width: none; font-size: 10pt; padding: 0; } nav { display: none; }
  .scroll { overflow: visible; border: 0; } table { font-size: 7pt; } td { min-width: 0; } a { color: inherit; text-decoration: none; }
  details::details-content { content-visibility: visible; display: block; height: auto; }
  .bar i { print-color-adjust: exact; -webkit-print-color-adjust: exact; } tr, summary { break-inside: avoid; }
}
"""
