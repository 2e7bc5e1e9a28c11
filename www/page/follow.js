// Keeping the newest line in view, unless the reader has scrolled away from it.

const NEAR_END_PX = 48;

/** Follows the end of `scroller`'s content and shows `jump` when the reader has left it. */
export function follow(scroller, content, jump) {
  let following = true;
  let lastTop = 0;

  const toEnd = () => {
    scroller.scrollTop = scroller.scrollHeight;
  };
  const settle = () => {
    if (following && content.childElementCount > 0) toEnd();
    jump.hidden = following || distance(scroller) < NEAR_END_PX;
  };

  // Content that grows never moves the position up, so only a reader can have done that.
  scroller.addEventListener("scroll", () => {
    const top = scroller.scrollTop;
    if (distance(scroller) < NEAR_END_PX) following = true;
    else if (top < lastTop) following = false;
    lastTop = top;
    jump.hidden = following;
  }, { passive: true });

  const sizes = new ResizeObserver(settle);
  sizes.observe(scroller);
  sizes.observe(content);

  const end = () => {
    following = true;
    settle();
  };
  jump.addEventListener("click", end);
  return { end };
}

function distance(scroller) {
  return scroller.scrollHeight - scroller.clientHeight - scroller.scrollTop;
}
