// The page's looks: one column, system fonts, colours as custom properties for light, dark and paper.

const light = `
--paper:#fdfdfb;--ink:#1d1d1b;--muted:#5a5a55;--rule:#dcdcd6;--grid:#ebebe6;--axis:#b4b4ad;--soft:#f4f4ef;--link:#0b5c96;
--s0:#0b6aa8;--s1:#c2500a;--s2:#0f7f5f;--s3:#a3468a;--s4:#3f94c9;--s5:#8a6500;--s6:#474743;--s7:#8a8a84;
--c0:#85857f;--c1:#b0574a;--c2:#4b8a70;--c3:#5f74b3;--c4:#a8813a;--c5:#9a5c96;
--q0:#3b1c6b;--q1:#31688e;--q2:#1f8f8a;--q3:#2f9e63;--q4:#8b9a1c;--q5:#c08a10;
--shadow:#0003;--heat:#0b5c96;--fork:#b3261e;
--m1:#fdebdd;--m2:#fbd0ad;--m3:#f6ad74;--m4:#ea8b45;--p1:#e2eef9;--p2:#bcdaf3;--p3:#8bc0e9;--p4:#5ea6de;`;

const dark = `
--paper:#16171a;--ink:#e8e6e1;--muted:#a9a8a2;--rule:#34353a;--grid:#26272b;--axis:#5a5b60;--soft:#1e1f23;--link:#7dbdf0;
--s0:#62b3ee;--s1:#f0904d;--s2:#4cc9a0;--s3:#dc8fc9;--s4:#a3d6f5;--s5:#d9b44a;--s6:#cfcfc9;--s7:#95958f;
--c0:#9a9a94;--c1:#d98577;--c2:#79b89d;--c3:#95a9e6;--c4:#d3ad68;--c5:#cf95cb;
--q0:#b79cf0;--q1:#7db2dc;--q2:#56c5be;--q3:#6fd196;--q4:#c7d556;--q5:#f0c04d;
--shadow:#fff4;--heat:#8cc6f5;--fork:#ff8a80;
--m1:#332619;--m2:#553416;--m3:#754416;--m4:#8f5218;--p1:#1b2833;--p2:#1c3a52;--p3:#1e4d70;--p4:#22618c;`;

/** The page's style sheet. No rule names a file or an address, so nothing is fetched. */
export const css = `
:root{color-scheme:light dark;${light}}
@media (prefers-color-scheme:dark){:root{${dark}}}
*{box-sizing:border-box}
html{font:16px/1.55 -apple-system,"Segoe UI",Roboto,"Helvetica Neue","Liberation Sans",Arial,system-ui,sans-serif;
background:var(--paper);color:var(--ink);-webkit-text-size-adjust:100%}
body{margin:0 auto;padding:3rem 1.5rem 4rem;max-width:62rem}
h1{overflow-wrap:anywhere;font-size:1.75rem;line-height:1.25;font-weight:650;letter-spacing:-.012em;margin:.15rem 0 .5rem;max-width:44rem}
h2{font-size:1.2rem;line-height:1.3;font-weight:650;margin:3.5rem 0 .5rem;padding-top:1rem;border-top:1px solid var(--rule)}
h3{font-size:1rem;font-weight:650;margin:2rem 0 .25rem}
p{margin:.5rem 0;max-width:44rem}
a{color:var(--link)}
code,.hash{font-family:ui-monospace,"SF Mono",Menlo,Consolas,"Liberation Mono",monospace;font-size:.85em}
.kind{color:var(--muted);font-size:.85rem;letter-spacing:.02em;margin:0}
.lead{font-size:1.05rem}
.notice{border-left:3px solid var(--s1);padding-left:.75rem}
nav{margin:1.25rem 0 0;font-size:.9rem}nav ul{list-style:none;display:flex;flex-wrap:wrap;gap:.25rem 1.1rem;margin:0;padding:0}
.command{display:block;white-space:pre-wrap;overflow-wrap:anywhere;background:var(--soft);border-radius:4px;padding:.6rem .8rem;margin:.75rem 0}
.command span{white-space:nowrap}
dl.facts{display:grid;grid-template-columns:max-content minmax(0,1fr);gap:.2rem 1.25rem;margin:1rem 0;font-size:.9rem}
dl.facts dt{color:var(--muted)}dl.facts dd{margin:0;overflow-wrap:anywhere;max-width:46rem}
dl.glance{display:grid;grid-template-columns:repeat(auto-fit,minmax(9.5rem,1fr));gap:1rem 1.5rem;margin:1.75rem 0;
border-top:1px solid var(--rule);border-bottom:1px solid var(--rule);padding:1rem 0}
dl.glance div{display:flex;flex-direction:column}
dl.glance dt{order:1;color:var(--muted);font-size:.82rem;line-height:1.35}
dl.glance dd{margin:0;font-size:1.3rem;line-height:1.3;font-variant-numeric:tabular-nums}
figure{margin:1.75rem 0 2.5rem}
figcaption{font-size:.88rem;line-height:1.5;max-width:46rem;color:var(--muted);margin-top:.6rem}
figcaption b{color:var(--ink);font-weight:600}
figcaption p{margin:.35rem 0 0}
.panels{display:grid;grid-template-columns:repeat(auto-fill,minmax(min(100%,22rem),1fr));gap:1.25rem 1.5rem;align-items:start}
.panels.small{grid-template-columns:repeat(auto-fill,minmax(min(100%,9.5rem),1fr));gap:.9rem 1rem}
.panels.third{grid-template-columns:repeat(auto-fill,minmax(min(100%,16rem),1fr))}.third .panel svg{max-width:18rem}
.panels.one{grid-template-columns:minmax(0,1fr)}.panels.wide{display:flex;flex-wrap:wrap}.wide .panel{max-width:100%;min-width:0}
.tabs>label{display:inline-block;font-size:.88rem;padding:.1rem 1rem .3rem 0;cursor:pointer}.tabs input{accent-color:var(--link);margin:0 .2rem 0 0}
.tab .name{display:none;font-weight:650;margin:1rem 0 .3rem}
.about p,.tabs .about{font-size:.88rem;line-height:1.5;max-width:46rem;color:var(--muted);margin:.35rem 0 0}.about p b{color:var(--ink);font-weight:600}
.panel>p{font-size:.85rem;font-weight:600;margin:0 0 .2rem}
.panel svg{display:block;width:100%;height:auto;max-width:29rem;overflow:visible}.panel svg text{pointer-events:none}
.one .panel svg{width:auto;max-width:100%}.panel svg.narrow{display:none}.small .panel svg{max-width:15rem}
.wide .panel svg{width:auto;max-width:none}
.legend{list-style:none;display:flex;flex-wrap:wrap;gap:.2rem 1.1rem;margin:.6rem 0 0;padding:0;font-size:.85rem}
.legend li{display:flex;align-items:center;gap:.4rem}
.legend svg{width:1.6rem;height:.8rem;flex:none}
.legend label{display:flex;align-items:center;gap:.4rem;cursor:pointer}
.legend input{margin:0;accent-color:var(--link)}
.off{display:none}
details{margin:.75rem 0 0;font-size:.9rem}
summary{cursor:pointer;color:var(--link);width:max-content;max-width:100%}
.scroll{overflow-x:auto;margin:.5rem 0;max-width:100%;
background:linear-gradient(90deg,var(--paper) 1.5rem,transparent 3rem) 0 0,linear-gradient(270deg,var(--paper) 1.5rem,transparent 3rem) 100% 0,
linear-gradient(90deg,var(--shadow),transparent) 0 0,linear-gradient(270deg,var(--shadow),transparent) 100% 0;
background-size:3rem 100%,3rem 100%,.6rem 100%,.6rem 100%;background-repeat:no-repeat;background-attachment:local,local,scroll,scroll}
.rest{display:inline-block;font-size:.82rem;color:var(--link);cursor:pointer;margin-right:1rem}
table{border-collapse:collapse;font-size:.85rem;line-height:1.4;font-variant-numeric:tabular-nums}
caption{text-align:left;color:var(--muted);padding-bottom:.4rem}
th,td{padding:.22rem .7rem;text-align:left;vertical-align:baseline;white-space:nowrap}
th:first-child,td:first-child{padding-left:.2rem}
thead th{font-weight:600;border-bottom:1px solid var(--axis)}
tbody tr+tr td{border-top:1px solid var(--grid)}
tbody tr:last-child td{border-bottom:1px solid var(--axis)}
.r{text-align:right}
th button{font:inherit;color:inherit;background:none;border:0;padding:0;cursor:pointer}
th button::after{content:"\\2195";color:var(--axis);padding-left:.25em;font-weight:400}
th[aria-sort=ascending] button::after{content:"\\2191";color:var(--ink)}th[aria-sort=descending] button::after{content:"\\2193";color:var(--ink)}
.csv{font:inherit;font-size:.82rem;color:var(--link);background:none;border:1px solid var(--rule);border-radius:4px;padding:.15rem .6rem;cursor:pointer}
.pair{margin:1.5rem 0 2rem}
details.pair{margin:.45rem 0}details.pair[open]{margin-bottom:1.5rem}
.pair h3,.pair summary{margin:0 0 .1rem}
.pair summary b{font-weight:650}
.pair .about{color:var(--muted);font-size:.85rem;margin:0 0 .5rem}
.sides{display:grid;grid-template-columns:1fr 1fr;gap:1.5rem}
.side h4{font-size:.8rem;font-weight:600;color:var(--muted);margin:0 0 .25rem}
.side p{margin:0;white-space:pre-wrap;overflow-wrap:anywhere;line-height:1.7}
.prompt{color:var(--muted);font-style:italic}
.m1,.m2,.m3,.m4,.p1,.p2,.p3,.p4{border-radius:2px;print-color-adjust:exact;-webkit-print-color-adjust:exact}
${[1, 2, 3, 4].map((n) => `.m${n}{background:var(--m${n})}.p${n}{background:var(--p${n})}`).join('')}
mark.fork{background:none;color:inherit;outline:2px solid var(--fork);outline-offset:1px;border-radius:2px;margin-left:3px;font-weight:650}
mark.fork::before{content:"\\2260";content:"\\2260" / "first difference: ";background:var(--fork);color:var(--paper);padding:0 .25em;margin-right:.15em;
font-weight:650;print-color-adjust:exact;-webkit-print-color-adjust:exact}
.scale{font-size:.82rem;color:var(--muted);margin:.75rem 0}.scale svg{display:block;width:100%;max-width:26rem;height:auto;overflow:visible;margin-top:.2rem}
.scale text{fill:var(--muted);font-size:11px}.scale rect{print-color-adjust:exact;-webkit-print-color-adjust:exact}
details.made{margin:1rem 0}
#tip{position:fixed;z-index:9;pointer-events:none;max-width:20rem;background:var(--ink);color:var(--paper);font-size:.8rem;line-height:1.4;
padding:.3rem .55rem;border-radius:4px;white-space:pre-line}
footer{margin-top:3.5rem;padding-top:1rem;border-top:1px solid var(--rule);font-size:.85rem;color:var(--muted)}
:focus-visible{outline:2px solid var(--link);outline-offset:2px}
@media screen{.table:not(:has(.rest :checked)) tbody tr:nth-child(n+61),
.tabs:has(>label:nth-of-type(1) :checked)>.tab:not(:nth-of-type(1)),.tabs:has(>label:nth-of-type(2) :checked)>.tab:not(:nth-of-type(2)),
.tabs:has(>label:nth-of-type(3) :checked)>.tab:not(:nth-of-type(3)),.tabs:has(>label:nth-of-type(4) :checked)>.tab:not(:nth-of-type(4)){display:none}}
@media (max-width:40rem){body{padding:1.5rem 1rem 3rem}h1{font-size:1.45rem}.sides{grid-template-columns:1fr;gap:1rem}
dl.facts{grid-template-columns:1fr;gap:0}dl.facts dd{margin-bottom:.5rem}dl.glance dd{font-size:1.15rem}}
@media (max-width:31rem){.panel svg.broad{display:none}.panel svg.narrow{display:block}}
@media print{:root{${light}--paper:#fff}html{font-size:10.5pt}body{max-width:none;padding:0}nav,.csv,.legend input,#tip{display:none}
figure,.pair,tr{break-inside:avoid}h2,h3{break-after:avoid}th button::after{content:""}.scroll{overflow:visible;background:none}
.wide .panel svg{max-width:100%}th,td{white-space:normal}.rest,.tabs>label{display:none}.tab .name{display:block}details::details-content{content-visibility:visible;block-size:auto}}
`;
