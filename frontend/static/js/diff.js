// What two completions do not share, word by word, painted over the text as it is rendered: no
// element is added, so that neither layout nor screen readers notice.

const NAMES = ["diff-first", "diff-second"];
// Beyond this many edits two texts share so little that marks would say nothing.
const MOST_EDITS = 1500;

export const possible = Boolean(globalThis.CSS?.highlights);

export function clear() {
  for (const name of NAMES) CSS.highlights.delete(name);
}

// Marks the words of each that the other lacks; returns how many, or null for too little in common.
export function compare(first, second) {
  clear();
  const sides = [words(first), words(second)];
  const kept = common(sides[0].map(textOf), sides[1].map(textOf));
  if (!kept) return null;
  let marked = 0;
  sides.forEach((side, index) => {
    const own = side.filter((_, place) => !kept[index].has(place));
    CSS.highlights.set(NAMES[index], new Highlight(...own.map(rangeOf)));
    marked += own.length;
  });
  return marked;
}

function textOf(word) {
  return word.text;
}

function rangeOf({ node, start, text }) {
  const range = new Range();
  range.setStart(node, start);
  range.setEnd(node, start + text.length);
  return range;
}

// Every word and every mark of punctuation, with the text node it stands in.
function words(root) {
  const found = [];
  const walker = document.createTreeWalker(root, NodeFilter.SHOW_TEXT);
  for (let node = walker.nextNode(); node; node = walker.nextNode()) {
    for (const match of node.data.matchAll(/[\p{L}\p{N}_]+|[^\s\p{L}\p{N}_]/gu)) {
      found.push({ node, start: match.index, text: match[0] });
    }
  }
  return found;
}

// Myers, "An O(ND) difference algorithm" (1986): the places of each side that both share.
function common(a, b) {
  const most = Math.min(a.length + b.length, MOST_EDITS);
  const zero = most + 1; // where diagonal 0 lies
  const reach = new Int32Array(2 * most + 3);
  const trail = [];
  for (let edits = 0; edits <= most; edits += 1) {
    trail.push(reach.slice(zero - edits - 1, zero + edits + 2));
    for (let k = -edits; k <= edits; k += 2) {
      const down = goesDown(k, edits, reach[zero + k - 1], reach[zero + k + 1]);
      let x = down ? reach[zero + k + 1] : reach[zero + k - 1] + 1;
      while (x < a.length && x - k < b.length && a[x] === b[x - k]) x += 1;
      reach[zero + k] = x;
      if (x >= a.length && x - k >= b.length) return walkBack(trail, a.length, b.length);
    }
  }
  return null;
}

function goesDown(k, edits, left, right) {
  return k === -edits || (k !== edits && left < right);
}

function walkBack(trail, endX, endY) {
  const kept = [new Set(), new Set()];
  let [x, y] = [endX, endY];
  for (let edits = trail.length - 1; edits >= 0; edits -= 1) {
    const reach = trail[edits];
    const k = x - y;
    const place = k + edits + 1; // of diagonal k in the slice
    const before = goesDown(k, edits, reach[place - 1], reach[place + 1]) ? 1 : -1;
    const startX = reach[place + before];
    const startY = startX - k - before;
    while (x > startX && y > startY && x > 0 && y > 0) {
      x -= 1;
      y -= 1;
      kept[0].add(x);
      kept[1].add(y);
    }
    if (edits) [x, y] = [startX, startY];
  }
  return kept;
}
