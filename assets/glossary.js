/* Terms of art on a page: underlined where each first occurs, with a card at the pointer. Streamlit's own elements stay
   as they are: terms are marked by the browser's highlights and found under the pointer by their place in the text. The
   same terms stand in the page's Glossary, which keys and screen readers reach. A "less than" before a letter or "!" would have
   the whole script taken for markup and left out: it is written as \\x3c. */
(() => {
  if (window.genediffGlossary || !CSS.highlights) return;
  window.genediffGlossary = true;
  const terms = __TERMS__;
  const byForm = new Map(terms.flatMap(one => one.forms.map(form => [form.toLowerCase(), one])));
  const forms = [...byForm.keys()].sort((a, b) => b.length - a.length).map(form => form.replace(/[.*+?^${}()|[\]\\]/g, "\\$&"));
  const words = new RegExp(`(?\x3c![\\w-])(${forms.join("|")})(?:s|es)?(?![\\w-])`, "gi");
  const places = "[data-testid=stMain] [data-testid=stMarkdownContainer] p, [data-testid=stMain] [data-testid=stMarkdownContainer] li";
  const aside = "button, label, a, summary, [role=tab], .gd-glossary, [data-testid=stPopoverBody], [data-testid=stAlert]";
  let ranges = [];
  function mark() {
    const found = [], seen = new Set();
    for (const place of document.querySelectorAll(places)) {
      if (place.closest(aside) || !place.offsetParent) continue;
      const texts = document.createTreeWalker(place, NodeFilter.SHOW_TEXT);
      for (let text; (text = texts.nextNode());) {
        if (text.parentElement.closest("code, a, .katex, [data-testid=stIconMaterial]")) continue;
        for (const hit of text.data.matchAll(words)) {
          const term = byForm.get(hit[1].toLowerCase());
          if (seen.has(term)) continue;
          seen.add(term);
          const range = document.createRange();
          range.setStart(text, hit.index);
          range.setEnd(text, hit.index + hit[0].length);
          found.push({ range, term });
        }
      }
    }
    ranges = found;
    CSS.highlights.set("gd-term", new Highlight(...found.map(one => one.range)));
  }
  let later;
  new MutationObserver(changes => {
    if (changes.every(one => card.contains(one.target))) return;
    clearTimeout(later);
    later = setTimeout(mark, 300);
  }).observe(document.body, { childList: true, subtree: true, characterData: true });

  const card = document.createElement("div");
  card.className = "gd-card";
  card.role = "tooltip";
  card.hidden = true;
  document.body.append(card);
  let leaving;
  const hide = () => { card.hidden = true; };
  function under(x, y) {
    return ranges.find(one => [...one.range.getClientRects()].some(
      box => x >= box.left && x <= box.right && y >= box.top && y <= box.bottom));
  }
  function show(one) {
    const box = one.range.getBoundingClientRect(), look = getComputedStyle(document.querySelector(".stApp"));
    card.replaceChildren();
    const title = document.createElement("strong"), text = document.createElement("p");
    title.textContent = one.term.name;
    text.textContent = one.term.text;
    card.append(title, text);
    if (one.term.read) {
      const link = document.createElement("a");
      link.href = `learn?learn_view=Background&read=${one.term.read}`;
      link.target = "_blank";
      link.rel = "noopener";
      link.textContent = "Read more";
      card.append(link);
    }
    card.style.color = look.color;
    card.style.background = look.backgroundColor;
    card.hidden = false;
    const room = card.getBoundingClientRect();
    card.style.left = `${Math.max(8, Math.min(box.left, innerWidth - room.width - 8))}px`;
    const below = box.bottom + 4;
    card.style.top = `${below + room.height < innerHeight ? below : Math.max(8, box.top - room.height - 4)}px`;
  }
  function look(event) {
    if (card.contains(event.target)) return clearTimeout(leaving);
    const one = under(event.clientX, event.clientY);
    if (one && event.target.closest?.(places)) {
      clearTimeout(leaving);
      leaving = undefined;
      if (card.hidden || card.dataset.term !== one.term.name) { card.dataset.term = one.term.name; show(one); }
    } else if (!card.hidden && leaving === undefined) {
      leaving = setTimeout(() => { hide(); leaving = undefined; }, 300);
    }
  }
  addEventListener("pointermove", look, { passive: true });
  addEventListener("pointerdown", look, { passive: true });
  addEventListener("keydown", event => { if (event.key === "Escape") hide(); });
  addEventListener("scroll", hide, { passive: true, capture: true });
  mark();
})();
