/** All that the clinic has of a patient, to take along: a file, for the patient, who acts for them, and administrators. */

import { form } from '../../form.js';
import { fill, texts } from '../../language.js';
import { may } from '../../rights.js';
import { save } from '../../saving.js';
import { toast } from '../../toast.js';

/**
 * Null where the caller may not.
 * @param {import('../../page.js').Context} context
 * @param {string} patient
 */
export function exportForm({ api, me, clinic }, patient) {
  const acts = me.acts_for.find((one) => one.patient === patient);
  if (acts ? !acts.scope.includes('record') : !may(clinic, 'patients.export')) return null;
  const { root } = form({
    name: 'export',
    content: [],
    submit: acts?.kind === 'self' ? texts.takeAlong.own : texts.takeAlong.other,
    style: 'quiet small',
    problems: { 'prove-again': texts.takeAlong.unproven },
    send: async (busy) => {
      const { body } = await api.post(`/v1/patients/${patient}/export`, undefined, { file: 'application/zip', busy });
      save(body, `${patient}.zip`);
      toast(fill(texts.takeAlong.saved, { name: `${patient}.zip` }));
    },
  });
  return root;
}
