// Uploads a file by npm tus-js-client, for the test of the protocol:
//   node client.js COMMAND ENDPOINT TOKEN RIGHT FILE URL
// COMMAND is one of
//   cut     upload until some bytes were acknowledged, then go away
//   resume  go on with the upload at URL until it is whole
//   end     give the upload at URL up
// The last line written is the upload's URL.
import {createReadStream, statSync} from 'node:fs'
import {Upload} from 'tus-js-client'

const [command, endpoint, token, right, file, url] = process.argv.slice(2)
const said = (text) => process.stdout.write(text + '\n')

const options = {
  endpoint,
  uploadUrl: url || null,
  chunkSize: 512 * 1024,
  uploadSize: statSync(file).size,
  retryDelays: [200, 500, 1000, 2000, 5000, 10000],
  headers: {authorization: 'Bearer ' + token},
  metadata: {right, filename: 'IMG_0042.jpg', filetype: 'image/jpeg'},
  onError: (error) => {
    said('error ' + error.message)
    process.exit(1)
  },
  onSuccess: () => {
    said(upload.url)
    process.exit(0)
  },
  onChunkComplete: (size, accepted) => {
    if (command === 'cut' && accepted >= 1024 * 1024) {
      said(upload.url)
      process.kill(process.pid, 'SIGKILL') // with the next piece under way
    }
  },
}
const upload = new Upload(createReadStream(file), options)

if (command === 'end') {
  await Upload.terminate(url, options)
  said(url)
} else {
  upload.start()
}
