/**
 * Every sentence a person reads, in one table: another language is another table of the same shape.
 * A failure has a title that says what is so and a text that says what to do now.
 */

const english = {
  product: 'MediNova',
  roles: /** @type {Record<string, string>} */ ({
    clinician: 'Clinician',
    patient: 'Patient',
    carer: 'Carer',
    interpreter: 'Interpreter',
  }),
  you: 'You',
  youAs: (/** @type {string} */ name) => `${name} (you)`,

  preview: {
    title: (/** @type {string} */ name) => (name ? `Hello, ${name}` : 'Ready to join?'),
    lead: (/** @type {string} */ role, /** @type {string} */ clinic) => `You are joining as ${role.toLowerCase()} · ${clinic}`,
    asking: 'Your browser is asking for your camera and microphone. Choose “Allow”.',
    cameraOff: 'Your camera is off',
    noCamera: 'No picture from your camera',
    join: 'Join the visit',
    joinWithout: { camera: 'Join without camera', microphone: 'Join without microphone', both: 'Join to listen and watch' },
    quiet: 'Say something: the bar moves when we hear you.',
    heard: 'We hear you.',
    muted: 'Your microphone is off.',
    hint: { clinician: 'Patients wait until you admit them.', other: 'You can check sound and picture first. Nobody sees or hears you yet.' },
  },

  devices: {
    title: 'Your devices',
    microphone: 'Microphone',
    camera: 'Camera',
    speaker: 'Speaker',
    nameless: (/** @type {string} */ kind, /** @type {number} */ n) => `${kind} ${n}`,
    none: (/** @type {string} */ kind) => `No ${kind.toLowerCase()} found`,
    denied: (/** @type {string} */ kind) => `${kind} not allowed`,
    standard: 'Standard',
    test: 'Play a sound',
    done: 'Done',
    lost: (/** @type {string} */ kind) => `Your ${kind.toLowerCase()} was unplugged.`,
    replaced: (/** @type {string} */ kind, /** @type {string} */ label) =>
      `Your ${kind.toLowerCase()} was unplugged. Now using: ${label}.`,
    speakerLost: 'Your speaker or headset was unplugged. Sound now comes from the standard speaker.',
  },

  waiting: {
    title: 'You are in the waiting room',
    kept: 'Your place is kept. You can leave this page open; it tells you when the visit begins.',
    told: (/** @type {string} */ name) => `${name} is here and has been told that you are waiting.`,
    absent: 'The clinician is not here yet. As soon as they come, they are told that you are waiting.',
    steps: ['You have arrived', 'Your connection is ready', 'The clinician lets you in'],
    connecting: 'Preparing your connection…',
    next: 'What happens next: the clinician lets you in, and you see and hear each other at once. There is nothing for you to press.',
    admitted: 'You have been let in.',
  },

  call: {
    region: 'Video visit',
    controls: 'Your controls',
    alone: { clinician: 'Nobody else is here yet', door: 'Somebody is waiting for you', other: 'The others are not here yet' },
    aloneText: {
      clinician: 'When somebody arrives, you hear a chime and can let them in.',
      door: 'Admit them, and you see and hear each other at once.',
      other: 'They appear here as soon as they come.',
    },
    mute: 'Mute',
    unmute: 'Unmute',
    cameraOff: 'Stop camera',
    cameraOn: 'Start camera',
    share: 'Share screen',
    unshare: 'Stop sharing',
    chat: 'Chat',
    people: 'People',
    devices: 'Devices',
    leave: 'Leave',
    unread: (/** @type {number} */ n) => (n ? `Chat, ${n} unread` : 'Chat'),
    waiting: (/** @type {number} */ n) => (n ? `People, ${n} waiting` : 'People'),
    micOff: 'microphone off',
    camOff: 'camera off',
    interrupted: 'interrupted by a phone call or another app',
    screenOf: (/** @type {string} */ name) => `Screen of ${name}`,
    yourScreen: 'You are sharing your screen. Everybody in the visit sees it.',
    network: /** @type {Record<string, string>} */ ({
      good: 'Connection: good',
      fair: 'Connection: fair',
      poor: 'Connection: poor',
    }),
    joined: (/** @type {string} */ name) => `${name} joined`,
    left: (/** @type {string} */ name) => `${name} left`,
    connecting: 'Connecting sound and picture…',
  },

  people: {
    title: 'People in this visit',
    waiting: 'Waiting',
    present: 'In the visit',
    away: 'Not here yet',
    admit: 'Admit',
    admitName: (/** @type {string} */ name) => `Admit ${name}`,
    waits: (/** @type {string} */ name, /** @type {string} */ role) => `${name} (${role.toLowerCase()}) is waiting`,
    close: 'Close people',
  },

  chat: {
    title: 'Chat',
    close: 'Close chat',
    field: 'Message',
    placeholder: 'Write a message…',
    send: 'Send',
    empty: 'Messages here are seen by everybody in the visit.',
    sending: 'sending…',
    from: (/** @type {string} */ name, /** @type {string} */ text) => `${name} writes: ${text}`,
    gone: 'Former participant',
  },

  leave: {
    title: 'Leave the visit?',
    text: 'You can leave and come back with your link, or end the visit for everyone.',
    leave: 'Leave for now',
    end: 'End for everyone',
    stay: 'Stay',
  },

  notices: {
    reconnecting: 'Reconnecting… You can go on talking if you still hear each other.',
    reconnectingMedia: 'The connection for sound and picture was interrupted. Finding a new way…',
    blocked:
      'No connection for sound and picture. This network seems to block video calls. Try another Wi-Fi, mobile data or another device; we keep trying here.',
    offline: 'Your device is offline. Check Wi-Fi or mobile data; we come back by ourselves.',
    sound: 'Your browser holds the sound back.',
    hear: 'Tap to hear',
    interrupted: 'A phone call or another app has taken your microphone. The others hear you again when it is over.',
    close: 'Close this note',
    refused: 'That did not work. Please try again.',
  },

  /** Device problems: one sentence and a way on each. @type {Record<string, Record<string, string>>} */
  problems: {
    microphone: {
      denied: 'This page may not use your microphone. Tap the lock or camera sign beside the address, allow the microphone, then try again.',
      none: 'No microphone was found. Connect one or a headset, or go on and use the chat.',
      busy: 'Your microphone is in use by another app. Close that app (a call, a recorder), then try again.',
      unfit: 'The microphone you chose is not available any more. Choose another one.',
      insecure: 'Browsers give the microphone to secure pages only. Open the link exactly as you got it, with https.',
      unknown: 'The microphone could not be started. Try again, or restart your browser.',
    },
    camera: {
      denied: 'This page may not use your camera. Tap the lock or camera sign beside the address, allow the camera, then try again.',
      none: 'No camera was found. You can join with sound only.',
      busy: 'Your camera is in use by another app. Close that app, then try again.',
      unfit: 'The camera you chose is not available any more. Choose another one.',
      insecure: 'Browsers give the camera to secure pages only. Open the link exactly as you got it, with https.',
      unknown: 'The camera could not be started. Try again, or join with sound only.',
    },
    devices: {
      denied: 'This page may not use your camera and microphone. Tap the lock or camera sign beside the address, allow both, then try again.',
      none: 'No camera and no microphone were found. Connect them, or join to listen, watch and write in the chat.',
      busy: 'Your camera and microphone are in use by another app. Close that app (a call, a recorder), then try again.',
      unfit: 'The devices you chose are not available any more. Choose others.',
      insecure: 'Browsers give camera and microphone to secure pages only. Open the link exactly as you got it, with https.',
      unknown: 'Camera and microphone could not be started. Try again, or restart your browser.',
    },
    screen: {
      denied: 'Your screen was not shared. If you did not cancel it yourself, allow screen recording for the browser in the system settings.',
      unknown: 'Your screen could not be shared. Try a window or a tab instead.',
    },
  },

  /** Whole pages: what is so, and the way on. */
  pages: {
    'link-missing': {
      title: 'This link is not complete',
      text: 'Part of the address is missing. Open the link from the invitation again, or copy it whole.',
    },
    'link-invalid': {
      title: 'This link does not open a visit',
      text: 'It was probably cut off when it was copied. Open it from the invitation itself, or ask the clinic for a new link: your visit is not lost.',
    },
    'link-expired': {
      title: 'This link has expired',
      text: 'Links work for a limited time. Open the newest invitation, or ask the clinic for a new link.',
    },
    offline: {
      title: 'The clinic cannot be reached',
      text: 'Your device may be offline, or the server may be restarting. Check your connection and try again.',
    },
    'too-fast': {
      title: 'One moment, please',
      text: 'There were many attempts in a short time. Wait a few seconds and try again.',
    },
    'no-seat': {
      title: 'Please open your link again',
      text: 'This browser does not hold a seat in the visit (any more). Open the link from your invitation to come back to it.',
    },
    'not-found': {
      title: 'There is no such visit',
      text: 'It may be long over. Open the newest invitation, or ask the clinic.',
    },
    trouble: {
      title: 'Something went wrong on our side',
      text: 'The server could not answer properly. Try again in a moment; if it persists, call the clinic.',
    },
    refused: {
      title: 'This page is out of date',
      text: 'The server has been renewed since this page was opened. Reload the page to go on.',
    },
    unsupported: {
      title: 'This browser cannot make video calls',
      text: 'Open the link in a current Chrome, Edge, Firefox or Safari.',
    },
    insecure: {
      title: 'This page is not secure',
      text: 'Browsers give camera and microphone only to pages with https. Open the link exactly as you got it, or ask the clinic.',
    },
    webview: {
      title: (/** @type {string} */ browser) => `Open this in ${browser}`,
      text: (/** @type {string} */ browser) =>
        `You are inside another app, where camera and microphone often do not work. Copy the link and open it in ${browser}.`,
    },
    left: { title: 'You have left the visit', text: 'Your seat is kept. You can come back as long as the visit goes on.' },
    ended: { title: 'The visit has ended', text: 'Thank you. You can close this page now.' },
    missed: {
      title: 'The visit did not take place',
      text: 'Its time has passed without anybody being let in. The clinic can give you a new appointment.',
    },
    taken: {
      title: 'You are in the visit somewhere else',
      text: 'Your seat is now used in another tab or on another device, so this page has stepped back.',
    },
    revoked: {
      title: 'Your link was withdrawn',
      text: 'The clinic has withdrawn this link. Open the newest invitation; if this is a surprise, call the clinic.',
    },
    'not-authenticated': {
      title: 'Please open your link again',
      text: 'Your sign-in to this visit has run out. Open the link from your invitation to come back to your seat.',
    },
  },
  actions: {
    retry: 'Try again',
    reload: 'Reload',
    rejoin: 'Rejoin the visit',
    here: 'Use here instead',
    copy: 'Copy the link',
    copied: 'Copied',
    copyFailed: 'Copy the link below by hand:',
    anyway: 'Continue here anyway',
    home: 'To the start page',
  },
  titles: {
    waiting: 'Waiting room',
    call: 'Visit',
    somebodyWaits: (/** @type {string} */ name) => `${name} is waiting`,
  },
};

export const texts = Object.freeze(english);
