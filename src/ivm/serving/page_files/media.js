// Pictures from files, the clipboard, the camera and videos, as files small enough to send.

const LONGEST = 1280;

async function drawn(source, width, height) {
  const scale = Math.min(1, LONGEST / Math.max(width, height));
  const canvas = document.createElement("canvas");
  canvas.width = Math.max(1, Math.round(width * scale));
  canvas.height = Math.max(1, Math.round(height * scale));
  const pen = canvas.getContext("2d");
  pen.fillStyle = "#ffffff";
  pen.fillRect(0, 0, canvas.width, canvas.height);
  pen.drawImage(source, 0, 0, canvas.width, canvas.height);
  return new Promise((done) => canvas.toBlob(done, "image/jpeg", 0.95));
}

// A large picture is made smaller; one that the browser cannot read goes as it is, for the server may.
export async function fromFile(file) {
  let bitmap;
  try {
    bitmap = await createImageBitmap(file, { imageOrientation: "from-image" });
  } catch {
    return file;
  }
  const small = Math.max(bitmap.width, bitmap.height) <= LONGEST;
  const blob = small ? file : await drawn(bitmap, bitmap.width, bitmap.height);
  bitmap.close();
  return blob;
}

export const fromVideo = (video) => drawn(video, video.videoWidth, video.videoHeight);

export async function fromClipboard() {
  for (const item of await navigator.clipboard.read()) {
    const type = item.types.find((name) => name.startsWith("image/"));
    if (type) return item.getType(type);
  }
  return null;
}

// Loads a video's file, and resolves when its first frame is there.
export function openVideo(video, file) {
  return new Promise((done, fail) => {
    video.onloadeddata = done;
    video.onerror = () => fail(new Error("This browser cannot play that video: save it as MP4 or WebM"));
    video.src = URL.createObjectURL(file);
  });
}

export function seek(video, seconds) {
  return new Promise((done) => {
    video.onseeked = done;
    video.currentTime = seconds;
  });
}

export async function openCamera(video) {
  if (!navigator.mediaDevices) throw new Error("The camera needs https or localhost: choose a file instead");
  const stream = await navigator.mediaDevices.getUserMedia({ video: { facingMode: "environment" } });
  video.removeAttribute("src");
  video.srcObject = stream;
  await video.play();
}

export function closeCamera(video) {
  for (const track of video.srcObject?.getTracks() ?? []) track.stop();
  video.srcObject = null;
}
