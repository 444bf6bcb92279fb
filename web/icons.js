/** Line icons on a 24×24 grid, drawn for this client; each is decoration beside a name, so hidden from screen readers. */

const PATHS = {
  microphone: 'M12 3a3 3 0 0 0-3 3v5a3 3 0 0 0 6 0V6a3 3 0 0 0-3-3Z M5.5 11a6.5 6.5 0 0 0 13 0 M12 17.5V21 M8.5 21h7',
  'microphone-off': 'M9 9.5V11a3 3 0 0 0 4.6 2.5 M15 11V6a3 3 0 0 0-5.7-1.3 M5.5 11a6.5 6.5 0 0 0 10 5.5 M18.5 11a6.6 6.6 0 0 1-.6 2.7 M12 17.5V21 M8.5 21h7 M4 4l16 16',
  camera: 'M4.5 6.5h9A1.5 1.5 0 0 1 15 8v8a1.5 1.5 0 0 1-1.5 1.5h-9A1.5 1.5 0 0 1 3 16V8a1.5 1.5 0 0 1 1.5-1.5Z M15 11l6-3.5v9L15 13',
  'camera-off': 'M10 6.5h3.5A1.5 1.5 0 0 1 15 8v3l6-3.5v9l-1.8-1 M15 16a1.5 1.5 0 0 1-1.5 1.5h-9A1.5 1.5 0 0 1 3 16V8a1.5 1.5 0 0 1 1.5-1.5H6 M4 4l16 16',
  screen: 'M4 5h16a1 1 0 0 1 1 1v10a1 1 0 0 1-1 1H4a1 1 0 0 1-1-1V6a1 1 0 0 1 1-1Z M9 21h6 M12 14V8 M9 10.5 12 7.5l3 3',
  'screen-off': 'M4 5h16a1 1 0 0 1 1 1v10a1 1 0 0 1-1 1H4a1 1 0 0 1-1-1V6a1 1 0 0 1 1-1Z M9 21h6 M9.5 8.5l5 5 M14.5 8.5l-5 5',
  chat: 'M5 4.5h14A1.5 1.5 0 0 1 20.5 6v9a1.5 1.5 0 0 1-1.5 1.500H10.500L6 20.500v-4H5A1.5 1.5 0 0 1 3.5 15V6A1.5 1.5 0 0 1 5 4.500Z M8 9h8 M8 12.500h5',
  people: 'M9 11.500a3.5 3.5 0 1 0 0-7 3.5 3.5 0 0 0 0 7Z M2.5 20a6.5 6.5 0 0 1 13 0 M16 4.800a3.5 3.5 0 0 1 0 6.4 M18 14.300a6.5 6.5 0 0 1 3.5 5.7',
  'person-plus': 'M9.5 11.500a3.5 3.5 0 1 0 0-7 3.5 3.5 0 0 0 0 7Z M3 20a6.5 6.5 0 0 1 13 0 M19 8v6 M16 11h6',
  briefcase: 'M5 8.500h14A1.5 1.5 0 0 1 20.500 10v8a1.5 1.5 0 0 1-1.500 1.500H5A1.5 1.5 0 0 1 3.500 18v-8A1.5 1.5 0 0 1 5 8.500Z M9 8.500V6.500A1.5 1.5 0 0 1 10.500 5h3A1.5 1.5 0 0 1 15 6.500v2 M3.500 13.500h17',
  devices: 'M4 7h9 M17 7h3 M15 5v4 M4 12h3 M11 12h9 M9 10v4 M4 17h11 M19 17h1 M17 15v4',
  leave: 'M3.2 14.800c-.6-1-.9-2.2-.3-3.200C4.6 8.9 8 7.5 12 7.500s7.4 1.4 9.1 4.100c.6 1 .3 2.2-.3 3.2-.4.7-1.2 1-2 .8l-2.6-.7a1.6 1.6 0 0 1-1.2-1.700l.1-1.300a10.5 10.5 0 0 0-6.2 0l.1 1.300a1.6 1.6 0 0 1-1.2 1.700l-2.6.7c-.8.2-1.6-.1-2-.8Z',
  close: 'M6 6l12 12 M18 6 6 18',
  send: 'M4.5 12 4 5l16.5 7L4 19l.5-7Z M4.5 12H12',
  check: 'M5 12.500l4.5 4.500L19 7.5',
  speaker: 'M4 9.500v5h3.500L12 18.500v-13L7.5 9.500H4Z M15.5 9a4 4 0 0 1 0 6 M18 6.500a8 8 0 0 1 0 11',
  phone: 'M6.5 3.500h2.800l1.5 4.2-2 1.600a12 12 0 0 0 5.9 5.900l1.6-2 4.2 1.500v2.800a2 2 0 0 1-2.2 2A16.5 16.5 0 0 1 4.5 5.700a2 2 0 0 1 2-2.200Z',
  link: 'M10 14a4.5 4.5 0 0 0 6.4 0l3-3A4.5 4.5 0 0 0 13 4.600l-1 1 M14 10a4.5 4.5 0 0 0-6.4 0l-3 3A4.5 4.5 0 0 0 11 19.400l1-1',
  clock: 'M12 3.500a8.5 8.5 0 1 0 0 17 8.5 8.5 0 0 0 0-17Z M12 7.500V12l3 2',
  alert: 'M12 4 2.8 19.500h18.400L12 4Z M12 10v4.5 M12 17v.2',
  shield: 'M12 3l7.5 3v5.500c0 4.5-3 8-7.5 9.5-4.5-1.5-7.5-5-7.5-9.500V6L12 3Z M8.5 12l2.5 2.5 4.5-5',
};

/** @typedef {keyof typeof PATHS} IconName */

/**
 * @param {IconName} name
 * @returns {SVGSVGElement}
 */
export function icon(name) {
  const svg = document.createElementNS('http://www.w3.org/2000/svg', 'svg');
  const path = document.createElementNS('http://www.w3.org/2000/svg', 'path');
  for (const [attribute, value] of Object.entries({ viewBox: '0 0 24 24', class: 'icon', 'aria-hidden': 'true', focusable: 'false' })) {
    svg.setAttribute(attribute, value);
  }
  path.setAttribute('d', PATHS[name]);
  svg.append(path);
  return svg;
}

/** Three bars of a network mark; what it says stands beside it as text. */
export function networkBars() {
  const svg = document.createElementNS('http://www.w3.org/2000/svg', 'svg');
  svg.setAttribute('viewBox', '0 0 24 24');
  svg.setAttribute('class', 'icon bars');
  svg.setAttribute('aria-hidden', 'true');
  for (const [n, d] of ['M5 19v-4', 'M12 19v-8', 'M19 19V5'].entries()) {
    const path = document.createElementNS('http://www.w3.org/2000/svg', 'path');
    path.setAttribute('d', d);
    path.setAttribute('class', `bar-${n + 1}`);
    svg.append(path);
  }
  return svg;
}
