// Sends the forms to the service, and shows what it answers. Names come from people: they only ever
// become text, never markup.

const key = document.getElementById("key");

function element(tag, text, kind) {
  const made = document.createElement(tag);
  if (text !== undefined) made.textContent = text;
  if (kind) made.className = kind;
  return made;
}

async function ask(address, form) {
  const headers = key.value ? { Authorization: `Bearer ${key.value.trim()}` } : {};
  const response = await fetch(address, { method: "POST", headers, body: new FormData(form) });
  const answer = await response.json();
  if (!response.ok) throw new Error(`${answer.title}: ${answer.detail}`);
  return answer;
}

function showDecision(decision) {
  const text = decision.match ? "One person" : "Two people";
  const parts = [element("strong", text, decision.match ? "yes" : "no")];
  parts.push(element("p", `Similarity ${decision.similarity.toFixed(3)}, ` +
    `threshold ${decision.threshold.toFixed(3)} (${decision.threshold_origin})`, "quiet"));
  return parts;
}

function showFaces(answer, form) {
  const image = form.querySelector(".frame img");
  const frame = form.querySelector(".frame");
  const parts = [];
  answer.faces.forEach((found, place) => {
    const name = found.identity ?? "nobody who is enrolled";
    frame.append(boxOf(found.face.box, image, `${place + 1}`));
    parts.push(tableOf(found, `Face ${place + 1}: ${name}`));
  });
  return parts;
}

function boxOf([left, top, right, bottom], image, label) {
  const box = element("span", undefined, "box");
  const percent = (part, whole) => `${(100 * part) / whole}%`;
  box.style.left = percent(left, image.naturalWidth);
  box.style.top = percent(top, image.naturalHeight);
  box.style.width = percent(right - left, image.naturalWidth);
  box.style.height = percent(bottom - top, image.naturalHeight);
  box.append(element("span", label));
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
  const clear = () => {
    answer.replaceChildren();
    form.querySelectorAll(".box").forEach((box) => box.remove());
  };
  form.addEventListener("change", (event) => {
    clear();
    const file = event.target.files?.[0];
    if (!file) return;
    const image = event.target.closest(".photo").querySelector("img");
    URL.revokeObjectURL(image.src);
    image.src = URL.createObjectURL(file);
    image.hidden = false;
  });
  form.addEventListener("submit", async (event) => {
    event.preventDefault();
    clear();
    button.disabled = true;
    answer.replaceChildren(element("p", "Working...", "quiet"));
    try {
      answer.replaceChildren(...show(await ask(address, form), form));
    } catch (error) {
      answer.replaceChildren(element("p", error.message, "problem"));
    } finally {
      button.disabled = false;
    }
  });
}

handle("verify", "/verify", showDecision);
handle("search", "/v1/search", showFaces);
