"""How far the texts of a page stand out from what is behind them, as Chromium renders it."""

from tests.made.pages.chromium import Page

# Returns [contrast (WCAG 2.2, relative luminance), least that is wanted (1.4.3), text] of each text
# that is shown, and of what is chosen or typed in a form; the faintest first.
CONTRASTS = """
(() => {
  const channel = v => (v /= 255) <= 0.04045 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4;
  const numbers = colour => colour.match(/[\\d.]+/g).map(Number);
  const light = ([r, g, b]) => 0.2126 * channel(r) + 0.7152 * channel(g) + 0.0722 * channel(b);
  const behind = element => {
    for (; element; element = element.parentElement) {
      const colour = numbers(getComputedStyle(element).backgroundColor);
      if (colour[3] !== 0) return colour;
    }
    return [255, 255, 255];
  };
  const found = [];
  const note = (element, text) => {
    if (!text || !element.getClientRects().length || element.tagName === 'title') return;
    const style = getComputedStyle(element);
    const ink = element.ownerSVGElement ? style.fill : style.color;
    const [a, b] = [light(numbers(ink)), light(behind(element))].sort((x, y) => y - x);
    const size = parseFloat(style.fontSize);  // 24 px are 18 pt, 18.66 px are 14 pt
    const large = size >= 24 || (size >= 18.66 && Number(style.fontWeight) >= 700);
    found.push([(a + 0.05) / (b + 0.05), large ? 3 : 4.5, text]);
  };
  const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  while (walker.nextNode()) note(walker.currentNode.parentElement, walker.currentNode.data.trim());
  document.querySelectorAll('input, select').forEach(one => note(one, `${one.name}: ${one.value}`));
  return found.sort((x, y) => x[0] / x[1] - y[0] / y[1]);
})()
"""


def check_contrast(browser: Page, least_texts: int) -> None:
    """Assert that every text stands out, and that there are as many as such a page shows."""
    contrasts = browser.ask(CONTRASTS)
    assert len(contrasts) >= least_texts, contrasts
    faint = [one for one in contrasts if one[0] < one[1]]
    assert not faint
