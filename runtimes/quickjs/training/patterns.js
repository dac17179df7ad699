// Regular expressions: match, matchAll, test, exec, named groups, replace with a function, split, look-around; a small template engine.
(function main() {
  const HANDBOOK = [
    "# Garden handbook", "", "Sow *carrots* in rows of 30cm; water them **every 2 days**.", "- peas: 12 seeds, [guide](peas.html)",
    "- beans: 8 seeds, [more](https://garden.example/beans?row=2&sun=full)", "## Tools", "1. spade  2. rake  3. hoe",
    "Write to head.gardener@garden.example, or to shed+keys@tools.example.org!", "Colours: #ff8800, #0a0 and #12345g.",
  ].join("\n");

  const escapeHtml = (text) => text.replace(/[&<>"']/g, (char) => `&#${char.charCodeAt(0)};`);
  function markdown(source) {
    return source.split(/\r?\n/).map((line) => {
      const heading = /^(#{1,6})\s+(.*)$/.exec(line);
      if (heading) return `<h${heading[1].length}>${escapeHtml(heading[2])}</h${heading[1].length}>`;
      return escapeHtml(line)
        .replace(/^-\s+/, "<li>")
        .replace(/\*\*(.+?)\*\*/g, "<b>$1</b>")
        .replace(/\*(.+?)\*/g, "<i>$1</i>")
        .replace(/\[(?<label>[^\]]*)\]\((?<target>[^)]+)\)/g, '<a href="$<target>">$<label></a>');
    }).join("\n");
  }
  function render(template, values) {
    return template.replace(/\{\{\s*(\w+)(?:\|(upper|trim))?\s*\}\}/g, (whole, name, filter) => {
      const value = String(values[name] ?? whole);
      return filter === "upper" ? value.toUpperCase() : filter === "trim" ? value.trim() : value;
    });
  }
  function parseQuery(url) {
    const { groups } = /^(?<scheme>[a-z]+):\/\/(?<host>[^/?#]+)(?<path>\/[^?#]*)?(?:\?(?<query>.*))?$/i.exec(url);
    const pairs = (groups.query ?? "").split("&").map((pair) => pair.split("="));
    return { ...groups, query: Object.fromEntries(pairs) };
  }
  const kebab = (name) => name.replace(/([a-z\d])([A-Z])/g, "$1-$2").toLowerCase();
  const thousands = (n) => String(n).replace(/\B(?=(\d{3})+(?!\d))/g, ",");
  const isEmail = (text) => /^[\w.+-]+@[\w-]+(\.[\w-]+)+$/.test(text);

  let result = 0;
  for (let i = 0; i < 50; i++) {
    const text = HANDBOOK.replace("30cm", `${30 + i}cm`);
    result += markdown(text).length + (text.match(/\b[a-z]+s\b/gi) ?? []).length;
    for (const { groups: { crop, seeds }, index } of text.matchAll(/^- (?<crop>\w+): (?<seeds>\d+)/gm)) result += crop.length * seeds + index;
    result += text.split(/[\s,;:.!]+/).filter(isEmail).length + text.split(/(\d+)/).length + text.search(/rake/);
    result += [...text.matchAll(/#(?:[\da-f]{6}|[\da-f]{3})\b/g)].length + (/(?<!every )\d days/.test(text) ? 1000 : 0);
    result += render("Dear {{ name|upper }}, {{crop|trim}} x {{count}} {{missing}}", { name: `n${i}`, crop: " pea ", count: i }).length;
    result += parseQuery(`https://host${i}.example/a/b?row=${i}&sun=full`).query.row * 2 + kebab(`backgroundColour${i}Top`).length;
    result += thousands(1234567 * (i + 1)).length + (isEmail(`a.b${i}@c`) ? 1 : 0);
    const numbers = /\d+/y;
    for (numbers.lastIndex = 0; numbers.test("123"); ) result += numbers.lastIndex;
  }
  if (result !== 51362) throw new Error(`patterns: got ${result}`);
})();
