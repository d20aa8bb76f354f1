// Sends the forms to the service, and shows what it answers. Names come from people: they only ever
// become text, never markup.

const key = document.getElementById("key");

function element(tag, text, kind) {
  const made = document.createElement(tag);
  if (text !== undefined) made.textContent = text;
  if (kind) made.className = kind;
  return made;
}

async function ask(address, content) {
  const shown = key.value.trim();
  const headers = shown ? { Authorization: `Bearer ${shown}` } : {};
  const response = await fetch(address, { method: "POST", headers, body: content }).catch(() => {
    throw new Error("The service does not answer.");
  });
  const answer = await response.json().catch(() => {
    throw new Error(`The service does not answer as it should (${response.status}).`);
  });
  if (!response.ok) throw new Error(`${answer.title}: ${answer.detail}`);
  return answer;
}

function thresholdOf(decision) {
  if (decision.threshold === null) return `No threshold: ${decision.threshold_origin}`;
  return `Threshold ${decision.threshold.toFixed(3)} (${decision.threshold_origin})`;
}

function showDecision(decision) {
  const text = decision.match ? "One person" : "Two people";
  return [
    element("strong", text, decision.match ? "yes" : "no"),
    element("p", `Similarity ${decision.similarity.toFixed(3)}`),
    element("p", thresholdOf(decision), "quiet"),
  ];
}

function showFaces(answer, form) {
  const frame = form.querySelector(".frame");
  const image = frame.querySelector("img");
  const parts = answer.faces.map((found, place) => {
    // A format that the browser does not show has no place for boxes.
    if (image.naturalWidth) frame.append(boxOf(found.face.box, image, `${place + 1}`));
    return tableOf(found, `Face ${place + 1}: ${nameOf(found)}`);
  });
  if (answer.faces.length) parts.push(element("p", thresholdOf(answer.faces[0]), "quiet"));
  return parts;
}

function nameOf(found) {
  if (found.identity !== null) return found.identity;
  return found.threshold === null ? "not decided" : "nobody who is enrolled";
}

function boxOf([left, top, right, bottom], image, label) {
  const box = element("span", undefined, "box");
  const percent = (part, whole) => `${(100 * part) / whole}%`;
  box.style.left = percent(left, image.naturalWidth);
  box.style.top = percent(top, image.naturalHeight);
  box.style.width = percent(right - left, image.naturalWidth);
  box.style.height = percent(bottom - top, image.naturalHeight);
  box.append(element("span", label));
  // Its label stands below it, or inside where there is no room below.
  if (bottom > 0.85 * image.naturalHeight) box.classList.add("low");
  return box;
}

function tableOf(found, title) {
  const table = element("table");
  table.append(element("caption", title));
  const head = table.createTHead().insertRow();
  head.append(element("th", "Most like it"), element("th", "Similarity"));
  const body = table.createTBody();
  for (const match of found.matches) {
    const row = body.insertRow();
    row.append(element("td", match.identity), element("td", match.similarity.toFixed(3)));
  }
  if (!found.matches.length) body.insertRow().append(element("td", "Nobody is enrolled."));
  return table;
}

function handle(id, address, show) {
  const form = document.getElementById(id);
  const answer = form.querySelector(".answer");
  const button = form.querySelector("button");
  let asked = 0; // What was asked before the form changed is not answered any more.
  const clear = () => {
    asked += 1;
    answer.replaceChildren();
    form.querySelectorAll(".box").forEach((box) => box.remove());
  };
  form.addEventListener("change", (event) => {
    clear();
    button.disabled = false;
    const files = event.target.files;
    if (!files) return;
    const image = event.target.closest(".photo").querySelector("img");
    if (image.src) URL.revokeObjectURL(image.src);
    image.hidden = !files.length;
    if (files.length) image.src = URL.createObjectURL(files[0]);
    else image.removeAttribute("src");
  });
  form.addEventListener("submit", async (event) => {
    event.preventDefault();
    clear();
    const mine = asked;
    button.disabled = true;
    answer.replaceChildren(element("p", "Working...", "quiet"));
    let parts;
    try {
      const told = await ask(address, new FormData(form));
      // Boxes are placed on photos that are there.
      const images = [...form.querySelectorAll("img")];
      await Promise.allSettled(images.map((image) => image.decode()));
      parts = () => show(told, form);
    } catch (error) {
      parts = () => [element("p", error.message, "problem")];
    }
    if (mine !== asked) return;
    answer.replaceChildren(...parts());
    button.disabled = false;
  });
}

handle("verify", "/verify", showDecision);
handle("search", "/v1/search", showFaces);
