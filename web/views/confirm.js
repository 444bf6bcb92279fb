/** One question before something that is not easily undone: what will happen, and the button that does it. */

import { openDialog } from '../dialog.js';
import { element } from '../element.js';
import { form } from '../form.js';
import { texts } from '../language.js';

/**
 * @param {object} given
 * @param {string} given.name  for tests
 * @param {string} given.title
 * @param {import('../element.js').Child[]} given.content
 * @param {string} given.submit
 * @param {string} [given.style]
 * @param {Record<string, string>} [given.problems]
 * @param {(busy: (seconds: number) => void) => Promise<void>} given.run
 */
export function confirmDialog({ name, title, content, submit, style = 'danger', problems, run }) {
  const cancel = element('button', { type: 'button', class: 'button quiet', onclick: () => dialog.close(), 'data-test': `${name}-cancel` }, texts.forms.cancel);
  const asked = form({
    name,
    secret: true,
    content: [],
    submit,
    style,
    problems,
    beside: [cancel],
    send: async (busy) => {
      await run(busy);
      dialog.close();
    },
  });
  const dialog = openDialog({ name, title, close: texts.forms.cancel }, ...content, asked.root);
  return dialog;
}
