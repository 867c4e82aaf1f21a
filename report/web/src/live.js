// The fields of a live page (orrery serve): a change asks the server for the settings' picture. What the server
// refuses is said, and the last picture stays.

const kPause = 120; // ms without a further change before the server is asked
const kMostWait = 60000;

export function makeLive(form, show) {
  const part = (name) => form.querySelector(`[data-${name}]`);
  const fields = [...form.querySelectorAll('[name]')];
  let request = null;
  let timer = 0;

  const query = () => fields.filter((field) => field.value.trim() !== field.dataset.base)
    .map((field) => `${encodeURIComponent(field.name)}=${encodeURIComponent(field.value.trim())}`).join('&');

  function answered(status, text) {
    form.setAttribute('aria-busy', 'false');
    let answer = null;
    try {
      answer = JSON.parse(text);
    } catch {
      answer = { error: 'the server does not answer; is orrery serve still running?' };
    }
    part('complaint').textContent = answer.error ?? answer.complaint;
    if (status !== 200) return;
    part('status').textContent = answer.status;
    part('command').textContent = answer.command;
    show(answer);
  }

  function ask() {
    request?.abort();
    request = new XMLHttpRequest();
    const text = query();
    request.open('GET', `/simulate${text ? `?${text}` : ''}`);
    request.timeout = kMostWait;
    const mine = request;
    request.onload = () => { if (mine === request) answered(mine.status, mine.responseText); };
    request.onerror = request.ontimeout = () => { if (mine === request) answered(0, ''); };
    form.setAttribute('aria-busy', 'true');
    request.send();
    history.replaceState(null, '', text ? `/?${text}` : '/');
  }

  const soon = () => {
    clearTimeout(timer);
    timer = setTimeout(ask, kPause);
  };

  // Up and down step through what is suggested.
  function stepped(event) {
    const up = { ArrowUp: 1, ArrowDown: -1 }[event.key];
    const steps = [...(event.target.list?.options ?? [])].map((option) => option.value);
    if (!up || steps.length === 0) return;
    event.preventDefault();
    const value = Number(event.target.value);
    const to = up > 0 ? steps.find((step) => Number(step) > value) : steps.findLast((step) => Number(step) < value);
    if (to === undefined) return;
    event.target.value = to;
    soon();
  }

  form.addEventListener('input', soon);
  form.addEventListener('submit', (event) => {
    event.preventDefault();
    ask();
  });
  form.addEventListener('reset', (event) => {
    event.preventDefault();
    for (const field of fields) field.value = field.dataset.base;
    ask();
  });
  for (const field of fields) if (field.list) field.addEventListener('keydown', stepped);
}
