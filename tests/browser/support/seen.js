// What the page looks like, measured in it.

/** Text of at least this contrast is read by people with poor eyes: WCAG 2.2, 1.4.3. */
export const CONTRAST_MIN = 4.5;

/** The visible pieces of text whose contrast with what is behind them is below the least there may be. */
export function faint(page) {
  return page.evaluate(faintIn, CONTRAST_MIN);
}

/** The visible elements that stick out of the conversation to the side, or have cut off what is in them. */
export function stickingOut(page) {
  return page.evaluate(stickingOutIn);
}

/** Runs in the page. */
function faintIn(least) {
  const context = new OffscreenCanvas(1, 1).getContext("2d", { willReadFrequently: true });
  // Lets the browser read any colour there is.
  const over = (colors) => {
    context.clearRect(0, 0, 1, 1);
    for (const color of colors) {
      context.fillStyle = color;
      context.fillRect(0, 0, 1, 1);
    }
    return [...context.getImageData(0, 0, 1, 1).data];
  };
  const luminance = (colors) => {
    const [red, green, blue] = over(colors).map((value) => {
      const share = value / 255;
      return share <= 0.04045 ? share / 12.92 : ((share + 0.055) / 1.055) ** 2.4;
    });
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue;
  };
  const behind = (element) => {
    const colors = [];
    for (let at = element; at; at = at.parentElement) colors.unshift(getComputedStyle(at).backgroundColor);
    return ["white", ...colors];
  };
  const found = [];
  const texts = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  while (texts.nextNode()) {
    const element = texts.currentNode.parentElement;
    const text = texts.currentNode.data.trim();
    // What cannot be pressed may be faint, and marks of a table's source are not there for the eye.
    const isMeant = text !== "" && !element.closest(":disabled, .bar-mark, .ruler, .unseen, noscript, .skip");
    if (!isMeant || !element.checkVisibility({ checkOpacity: true, checkVisibilityCSS: true })) continue;
    const ground = behind(element);
    const [light, dark] = [luminance(ground), luminance([...ground, getComputedStyle(element).color])].sort((a, b) => b - a);
    const contrast = (light + 0.05) / (dark + 0.05);
    if (contrast < least) found.push({ text: text.slice(0, 40), contrast: Math.round(contrast * 100) / 100 });
  }
  return found;
}

/** Runs in the page. */
function stickingOutIn() {
  const scroller = document.querySelector("#scroller");
  const { left, right } = scroller.getBoundingClientRect();
  const found = [];
  for (const element of document.querySelectorAll("#timeline *")) {
    // A table scrolls by itself, and a name too long ends in dots.
    if (element.closest(".table, .panel-name") || !element.checkVisibility()) continue;
    const box = element.getBoundingClientRect();
    const isCut = getComputedStyle(element).overflowX !== "visible" && element.tagName !== "INPUT" && element.scrollWidth > element.clientWidth + 1;
    const parent = element.parentElement.getBoundingClientRect();
    const isOutside = box.left < left - 1 || box.right > right + 1;
    const leavesParent = element.matches(".panel *") && box.right > parent.right + 1;
    if (isCut || isOutside || leavesParent) found.push(`${element.tagName}.${element.className}`);
  }
  return found;
}
