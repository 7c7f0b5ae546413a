// Requests to the studio's own server, with its messages as errors.

export class Refused extends Error {
  constructor(status, message) {
    super(message);
    this.status = status; // 0: no answer at all
  }
}

export async function ask(address, body) {
  const options = body === undefined ? {} : {
    method: "POST",
    headers: { "Content-Type": "application/json" },
    body: JSON.stringify(body),
  };
  let answer;
  try {
    answer = await fetch(address, options);
  } catch {
    throw new Refused(0, "the studio does not answer: is vrp studio still running?");
  }
  if (!answer.ok) throw new Refused(answer.status, await reasonOf(answer));
  return answer;
}

export const askJson = async (address, body) => (await ask(address, body)).json();

// Do some work, and tell what was refused; what was told before is gone. Returns the refusal.
export async function guarded(tell, work) {
  try {
    tell("");
    await work();
    return null;
  } catch (error) {
    tell(error.message);
    return error;
  }
}

async function reasonOf(answer) {
  const text = await answer.text();
  try {
    const { detail } = JSON.parse(text);
    return typeof detail === "string" ? detail : JSON.stringify(detail);
  } catch {
    return text.trim() || `status ${answer.status}`;
  }
}
