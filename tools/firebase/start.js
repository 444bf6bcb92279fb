// The Auth emulator alone, on one port of loopback: node start.js PORT PROJECT. It ends when its standard input does, so
// that it never outlives whoever started it. It is asked for by the tool's own module, which the version is pinned for:
// the tool's command would open three more ports and want a folder of settings.
const { AuthEmulator } = require('firebase-tools/lib/emulator/auth');

const [port, projectId] = process.argv.slice(2);
const emulator = new AuthEmulator({ host: '127.0.0.1', port: Number(port), projectId, singleProjectMode: 1 });
process.stdin.on('end', () => process.exit()).resume();
emulator.start();
