// One tooltip for the page, beside the pointer and within the window.
let box = null;

export function showTooltip(event, text) {
  if (!box) {
    box = document.createElement('div');
    box.className = 'tooltip';
    box.setAttribute('role', 'status');
    document.body.append(box);
  }
  box.textContent = text;
  const { offsetWidth: width, offsetHeight: height } = box;
  const x = event.clientX + 14 + width > innerWidth ? event.clientX - 14 - width : event.clientX + 14;
  const y = event.clientY + 14 + height > innerHeight ? event.clientY - 14 - height : event.clientY + 14;
  box.style.left = `${Math.max(4, x)}px`;
  box.style.top = `${Math.max(4, y)}px`;
  box.style.visibility = 'visible';
}

export function hideTooltip() {
  if (box) box.style.visibility = 'hidden';
}
