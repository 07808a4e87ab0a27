"""Colours and layout of the page. Colours are roles, as on the dashboard, in light and dark."""

from __future__ import annotations

from app.theme import AI, AI_DARK, AI_TEXT, HUMAN, HUMAN_DARK

LIGHT = {
    "paper": "#FFFFFF",
    "shade": "#F4F5F6",
    "ink": "#1C2430",
    "muted": "#5B6472",
    "rule": "#E1E4E8",
    "human": HUMAN,
    "human-text": "#00649C",  # legible on the band too
    "ai": AI,
    "ai-text": AI_TEXT,
    "baseline": "#7B838E",
    "band": "#DCEBF5",
}
DARK = {
    "paper": "#12161B",
    "shade": "#1B2128",
    "ink": "#E6E9ED",
    "muted": "#9AA4B1",
    "rule": "#2B333D",
    "human": HUMAN_DARK,
    "human-text": HUMAN_DARK,
    "ai": AI_DARK,
    "ai-text": AI_DARK,
    "baseline": "#8A93A0",
    "band": "#1C3447",
}
TEXTS = ("ink", "muted", "human-text", "ai-text")
MARKS = ("human", "ai", "baseline", "ink")


def _variables(colours: dict[str, str]) -> str:
    return "".join(f"--{role}:{colour};" for role, colour in colours.items())


_LAYOUT = """
*{box-sizing:border-box}
html{-webkit-text-size-adjust:100%;text-size-adjust:100%}
body{margin:0;background:var(--paper);color:var(--ink);font:1rem/1.5 system-ui,-apple-system,
"Segoe UI",Roboto,"Helvetica Neue",Arial,sans-serif;font-variant-numeric:tabular-nums lining-nums;
overflow-wrap:anywhere}
main,header,footer{max-width:76rem;margin:0 auto;padding:0 2.5rem}
header{padding-top:2.25rem}
h1,h2,h3,p,ul,dl,dd,figure{margin:0}
h1{font-size:1.625rem;line-height:1.25;font-weight:650;letter-spacing:-.01em}
h2{font-size:1.3125rem;line-height:1.4;font-weight:600;max-width:56rem;text-wrap:pretty}
h3{font-size:1rem;line-height:1.4;font-weight:600;text-wrap:pretty}
a{color:inherit}
.brand{display:flex;align-items:center;gap:.5rem;font-weight:600;margin-bottom:1.75rem}
.brand span{color:var(--muted);font-weight:400}
.brand svg{width:1.6rem;height:1rem;flex:none}
.lede{font-size:1.0625rem;color:var(--muted);margin-top:.35rem;max-width:56rem}
.facts{font-size:.875rem;color:var(--muted);margin-top:.75rem}
.legend,nav{display:flex;flex-wrap:wrap;gap:.35rem 1.5rem;font-size:.875rem;margin-top:.75rem}
.legend{color:var(--muted)}
nav{border-top:1px solid var(--rule);border-bottom:1px solid var(--rule);padding:.65rem 0;
margin-top:1.25rem}
nav a{text-decoration:none}
nav a:hover,nav a:focus-visible{text-decoration:underline}
.banner{background:var(--shade);border-left:4px solid var(--ink);padding:.75rem 1rem;
margin-top:1.25rem}
.mark{margin-right:.4em}
.mark.human{color:var(--human)}.mark.AI{color:var(--ai)}.mark.baseline{color:var(--baseline)}
.legend .human{color:var(--human-text)}.legend .AI{color:var(--ai-text)}
section{padding:2.75rem 0 .5rem}
.over{font-size:.875rem;color:var(--muted);margin-bottom:.25rem}
.facets{display:grid;grid-template-columns:repeat(auto-fit,minmax(min(100%,28rem),1fr));
gap:2rem 3.5rem;margin-top:1.75rem;align-items:start}
.facets.one{max-width:56rem}
figure{container-type:inline-size;min-width:0}
.says{font-size:.875rem;color:var(--muted);margin-top:.2rem;max-width:42rem}
.plot{--names:11rem;display:grid;column-gap:1rem;
grid-template-columns:fit-content(var(--names)) minmax(13rem,1fr) fit-content(12.5rem);
margin-top:.85rem}
.row{display:contents}
.who,.what{padding:.3rem 0;align-self:center;font-size:.9375rem;line-height:1.3}
.what{text-align:right}
.what span{color:var(--muted);font-size:.8125rem;white-space:nowrap}
.what .note{white-space:normal}
.what .size{margin-left:.6em}
.cell{position:relative;min-height:1.9rem;margin:0 1.15rem}
.head .cell,.axis .cell{min-height:1.35rem}
.cell svg{position:absolute;inset:0;width:100%;height:100%;overflow:visible;display:block}
.grid{stroke:var(--rule);stroke-width:1}
.zero{stroke:var(--muted);stroke-width:1.5}
.band{fill:var(--band)}
.tick{stroke:var(--human);stroke-width:3}
.span{stroke-width:2.5;stroke-linecap:round}
.dot{stroke-width:2}
.human .span,.human .dot{stroke:var(--human)}.human .dot.full{fill:var(--human)}
.AI .span,.AI .dot{stroke:var(--ai)}.AI .dot.full{fill:var(--ai)}
.baseline .span,.baseline .dot{stroke:var(--baseline)}.baseline .dot.full{fill:var(--baseline)}
.ink .span,.ink .dot{stroke:var(--ink)}.ink .dot.full{fill:var(--ink)}
.dot.open{fill:var(--paper)}
svg text{font:.8125rem/1 system-ui,-apple-system,"Segoe UI",Roboto,"Helvetica Neue",Arial,
sans-serif;fill:var(--muted)}
svg text.name{fill:var(--human-text)}
.start{text-anchor:start}.middle{text-anchor:middle}.end{text-anchor:end}
@container (min-width:44rem){.plot{--names:18rem}}
@container (max-width:33rem){
.plot{display:block}
.row{display:grid;grid-template:"who what" "cell cell"/minmax(0,1fr) auto;column-gap:.75rem}
.who,.what{align-self:end;padding:.4rem 0 0}
.who{grid-area:who}.what{grid-area:what;max-width:66cqw}
.cell{grid-area:cell;min-height:1.4rem}
.head .who,.head .what,.axis .who,.axis .what{display:none}
}
.scroll{overflow-x:auto}
.scroll:focus-visible{outline:2px solid var(--muted);outline-offset:2px}
table{border-collapse:collapse;font-size:.875rem;line-height:1.4;overflow-wrap:normal}
.caption{font-size:.875rem;color:var(--muted);margin:2rem 0 .4rem;max-width:56rem}
th,td{padding:.35rem 0 .35rem 1.75rem;text-align:left;vertical-align:top;
border-bottom:1px solid var(--rule)}
th:first-child,td:first-child{padding-left:0}
thead th{font-weight:600;vertical-align:bottom;color:var(--muted);white-space:nowrap}
tbody th{font-weight:400;min-width:7rem;max-width:18rem;overflow-wrap:anywhere}
.n{text-align:right;white-space:nowrap}
.n span,.n.none{color:var(--muted)}
td.note{min-width:14rem;max-width:26rem;color:var(--muted)}
.notes{list-style:none;padding:0;margin-top:1rem;font-size:.875rem;color:var(--muted);
max-width:56rem}
.notes li{padding:.1rem 0 .1rem 1rem;text-indent:-1rem}
.notes li::before{content:"–";display:inline-block;width:1rem;text-indent:0}
details{margin-top:1.5rem}
summary{cursor:pointer;font-size:.875rem;color:var(--muted)}
footer{font-size:.875rem;color:var(--muted);padding-top:2.75rem;padding-bottom:4rem}
footer h2{font-size:1rem;color:var(--ink);margin-top:1.5rem}
footer p,footer dl{margin-top:.35rem;max-width:56rem}
dt{color:var(--ink);margin-top:.5rem}
code{font:.8125rem/1.6 ui-monospace,SFMono-Regular,Menlo,Consolas,monospace;color:var(--ink);
background:var(--shade);padding:.5rem .75rem;display:block;margin-top:.35rem;max-width:56rem;
white-space:pre-wrap}
@media (max-width:40rem){
main,header,footer{padding-left:1.125rem;padding-right:1.125rem}
header{padding-top:1.25rem}
.brand{margin-bottom:1.25rem}
h1{font-size:1.4375rem}h2{font-size:1.1875rem}
section{padding-top:2.25rem}
th,td{padding-left:1.1rem}
tbody th{min-width:6rem;max-width:9rem;position:sticky;left:0;background:var(--paper)}
.n b,.n span{display:block}
thead th.n{white-space:normal}
}
"""
_PRINT = """
@page{margin:16mm 14mm}
html{font-size:13px}
main,header,footer{max-width:none;padding-left:0;padding-right:0}
header{padding-top:0}
nav,details:not([open]){display:none}
section{padding-top:1.5rem}
.facets{grid-template-columns:1fr;max-width:none}
figure,tr,.banner,dl>div{break-inside:avoid}
h2,h3,.over,.caption{break-after:avoid}
.scroll{overflow:visible}
thead{display:table-header-group}
thead th.n{white-space:normal}
th,td{padding-left:1rem}
code{border:1px solid var(--rule)}
"""

STYLE = (
    f":root{{color-scheme:light dark;{_variables(LIGHT)}}}"
    f"@media (prefers-color-scheme:dark){{:root{{{_variables(DARK)}}}}}"
    f"{_LAYOUT}"
    # Paper is white, whatever the screen is.
    f"@media print{{:root{{color-scheme:light;{_variables(LIGHT)}}}{_PRINT}}}"
)
