// Text: concatenation, slicing, code points, run-length coding, ciphers, palindromes, word wrap, edit distance, tables.
(function main() {
  const POEM = "The quiet river bends, the Heron waits; a small boat drifts past seven grey stones and nobody speaks.";

  function runLengthEncode(text) {
    let coded = "";
    for (let i = 0; i < text.length; ) {
      const start = i;
      while (text[i] === text[start]) i++;
      coded += (i - start > 1 ? i - start : "") + text.charAt(start);
    }
    return coded;
  }
  function runLengthDecode(coded) {
    let text = "", count = "";
    for (const char of coded) {
      if (char >= "0" && char <= "9") count += char;
      else [text, count] = [text + char.repeat(Number(count || 1)), ""];
    }
    return text;
  }
  function caesar(text, shift) {
    return [...text].map((char) => {
      const code = char.charCodeAt(0), base = code >= 97 && code <= 122 ? 97 : code >= 65 && code <= 90 ? 65 : 0;
      return base ? String.fromCharCode(((code - base + shift + 26) % 26) + base) : char;
    }).join("");
  }
  const capitalise = (word) => word.slice(0, 1).toUpperCase() + word.substring(1).toLowerCase();
  const camelCase = (words) => words.map((word, i) => (i === 0 ? word.toLowerCase() : capitalise(word))).join("");
  const isPalindrome = (text) => text === text.split("").reverse().join("");

  function wrap(text, width) {
    const lines = [];
    let line = "";
    for (const word of text.split(" ")) {
      if ((line + " " + word).trim().length > width) lines.push(line.padEnd(width, ".")), (line = word);
      else line = line ? `${line} ${word}` : word;
    }
    return [...lines, line].map((each, i) => `${i + 1}`.padStart(3) + "| " + each).join("\n");
  }
  function editDistance(a, b) {
    let previous = Array.from({ length: b.length + 1 }, (_, j) => j);
    for (let i = 1; i <= a.length; i++) {
      const current = [i];
      for (let j = 1; j <= b.length; j++) {
        current[j] = Math.min(previous[j] + 1, current[j - 1] + 1, previous[j - 1] + (a[i - 1] === b[j - 1] ? 0 : 1));
      }
      previous = current;
    }
    return previous[b.length];
  }

  let result = editDistance(POEM, caesar(POEM, 5)), emoji = "";
  for (let i = 0; i < 90; i++) {
    const word = POEM.slice(i % 50, (i % 50) + 20).trim(), runs = "a".repeat(i % 5) + "bbb" + word + "zz";
    if (runLengthDecode(runLengthEncode(runs)) !== runs || caesar(caesar(word, i % 26), -(i % 26)) !== word) result += 1e6;
    result += wrap(POEM, 20 + (i % 30)).length + camelCase(word.split(" ")).length + word.lastIndexOf("e");
    result += Number(isPalindrome(String(i * 11))) + (word.startsWith("r") ? 5 : 0) + (POEM.includes(word, i) ? 2 : 0);
    emoji += String.fromCodePoint(0x1f600 + i) + "é" + (word < "m" ? "<" : word.at(-1));
  }
  for (const char of emoji) result += char.codePointAt(0) % 10;
  result += POEM.replaceAll("e", "EE").replace("the", "a").indexOf("grEEy") + emoji.length + "ß".toUpperCase().length;
  if (result !== 15191) throw new Error(`text: got ${result}`);
})();
