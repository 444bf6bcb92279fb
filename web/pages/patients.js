/** Patients: the search, a new one (`#new`), one record (`#pat-…`), those erased (`#erasures`). What is searched for is never in an address. */

import { texts } from '../language.js';
import { may } from '../rights.js';
import { barredView } from '../views/barred.js';
import { erasuresView } from './patients/erasures.js';
import { newView } from './patients/new.js';
import { recordView } from './patients/record.js';
import { searchView } from './patients/search.js';

/** @param {import('../page.js').Context} context */
export async function view(context) {
  const { clinic } = context;
  const about = location.hash.slice(1);
  if (/^pat-[\w-]+$/.test(about)) return recordView(context, about);
  if (!clinic || !may(clinic, 'patients.find')) return barredView(texts.patients.title, context);
  if (about === 'new' && may(clinic, 'patients.create')) return newView(context);
  if (about === 'erasures' && may(clinic, 'patients.erase')) return erasuresView(context);
  return searchView(context);
}
