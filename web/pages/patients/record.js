/** One patient's record: what it says, who may act for them, who treats them, and what may be done with it. */

import { Problem } from '../../api.js';
import { element } from '../../element.js';
import { problemText } from '../../form.js';
import { icon } from '../../icons.js';
import { day, LANGUAGES, texts } from '../../language.js';
import { may } from '../../rights.js';
import { toast } from '../../toast.js';
import { nameOf } from './brief.js';
import { editForm } from './edit.js';
import { eraseDialog } from './erase.js';
import { exportForm } from './export.js';
import { NAMES, OWN_NAMES } from './fields.js';
import { emergencyNote, emergencyView } from './emergency.js';
import { mergedPart, mergeDialog } from './merge.js';
import { relationsSection } from './relations.js';
import { treatingSection } from './treating.js';

/** @param {import('../../page.js').Context} context @param {string} id */
export async function recordView(context, id) {
  const { api, clinic, me } = context;
  const acts = me.acts_for.find(({ patient }) => patient === id);
  let read;
  try {
    read = await api.get(`/v1/patients/${id}`);
  } catch (error) {
    if (error instanceof Problem && error.status === 403 && may(clinic, 'emergency.take')) return emergencyView(context, id);
    throw error;
  }
  const { body: patient, etag } = read;
  const own = may(clinic, 'patients.find');
  const relations = await optional(api.list(`/v1/patients/${id}/relations`));
  const invited = may(clinic, 'patients.relate') ? await optional(api.list(`/v1/patients/${id}/invitations`)) : null;
  const details = element('section', { class: 'card', 'data-test': 'details' });
  const shows = () => details.replaceChildren(...detailsOf(patient, edit));

  function edit() {
    const { root, focus } = editForm(context, patient, etag, own ? NAMES : OWN_NAMES, shows);
    details.replaceChildren(root);
    focus();
  }
  shows();

  const isActive = patient.state === 'active';
  const isClosed = patient.state === 'closed';
  const merges = own && isActive && may(clinic, 'patients.merge');
  const erases = own && isActive && may(clinic, 'patients.erase');
  const sees = Boolean(acts) || may(clinic, 'patients.accesses');
  return element(
    'main',
    { class: 'wide', 'data-test': 'record', 'data-title': texts.patient.title },
    own && element('p', {}, element('a', { href: '#', class: 'back' }, texts.patients.back)),
    element(
      'div',
      { class: 'page-head' },
      element('div', {}, element('h1', {}, nameOf(patient)), element('p', { class: 'lead' }, [day(patient.birth_date), patient.number].filter(Boolean).join(' · '))),
      element(
        'div',
        { class: 'actions' },
        sees && element('a', { class: 'button quiet small', href: `/accesses#${id}`, 'data-test': 'accesses' }, texts.patient.accesses),
        merges && element('button', { type: 'button', class: 'button quiet small', onclick: () => mergeDialog(context, patient), 'data-test': 'merge' }, texts.merge.start),
        exportForm(context, id),
        erases && element('button', { type: 'button', class: 'button quiet small', onclick: () => eraseDialog(context, patient, etag).catch(tell), 'data-test': 'erase' }, texts.erase.start),
      ),
    ),
    may(clinic, 'emergency.take') && !patient.treating?.includes(me.id) && (await emergencyNote(context, id)),
    isClosed && closedNote(clinic),
    isActive || patient.merged_into ? await mergedPart(context, patient) : null,
    element(
      'div',
      { class: 'columns' },
      element('div', { class: 'stack' }, details),
      !isClosed && element('div', { class: 'stack' }, relations && relationsSection(context, patient, relations, invited ?? []), own && patient.treating && (await treatingSection(context, patient))),
    ),
  );
}

/** @param {unknown} error */
function tell(error) {
  if (!(error instanceof Problem)) throw error;
  toast(problemText(error));
}

/** @param {import('../../rights.js').Membership | null} clinic */
const closedNote = (clinic) =>
  element(
    'div',
    { class: 'note warn', 'data-test': 'closed' },
    icon('shield'),
    element('p', {}, texts.patient.closed),
    may(clinic, 'patients.erase') && element('a', { class: 'button quiet small', href: '#erasures' }, texts.erasures.title),
  );

/** What the caller may not see is left out. @template T @param {Promise<T>} asking @returns {Promise<T | null>} */
async function optional(asking) {
  return asking.catch((error) => {
    if (error instanceof Problem && [403, 404].includes(error.status)) return null;
    throw error;
  });
}

/** Of a closed record, what it was spoken to in is gone, and stands there empty. @param {any} patient @param {() => void} edit */
function detailsOf(patient, edit) {
  const isClosed = patient.state === 'closed';
  const all = /** @type {([string, string] | false)[]} */ ([
    [texts.patient.given, patient.given],
    [texts.patient.family, patient.family],
    [texts.patient.birth, day(patient.birth_date)],
    [texts.patient.number, patient.number],
    [texts.patient.email, patient.email],
    [texts.patient.phone, patient.phone],
    !isClosed && [texts.patient.language, /** @type {Record<string, string>} */ (LANGUAGES)[patient.language] ?? patient.language],
    !isClosed && [texts.patient.zone, String(patient.zone ?? '').replace(/_/g, ' ')],
    ...(patient.identifiers ?? []).map((/** @type {any} */ { system, value }) => [system, value]),
  ]);
  const facts = all.filter((fact) => fact !== false);
  return [
    element('div', { class: 'section-head' }, element('h2', {}, texts.patient.details), patient.state === 'active' && element('button', { type: 'button', class: 'button quiet small', onclick: edit, 'data-test': 'edit' }, texts.patient.edit)),
    element('dl', { class: 'facts' }, ...facts.filter(([, value]) => value).flatMap(([name, value]) => [element('dt', {}, name), element('dd', {}, value)])),
  ].filter((part) => part instanceof Node);
}
