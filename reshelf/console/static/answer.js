// What the server answers: its content, or an error in plain words; nobody is waited for without end.

import { language, t } from "./words.js";

const ANSWER_MS = 4500;
const LONG_MS = 90_000;

async function contentOf(answer) {
  const content = await answer.json().catch(() => null);
  if (!answer.ok || content === null)
    throw new Error(content?.error ?? t("console.failed", { status: String(answer.status) }));
  return content;
}

async function asked(path, options, ms) {
  try {
    return await fetch(path, {
      ...options,
      headers: { ...options.headers, "Accept-Language": language },
      signal: AbortSignal.timeout(ms),
    });
  } catch (error) {
    throw new Error(error.name === "TimeoutError" ? t("console.late", { seconds: ms / 1000 }) : t("console.away"));
  }
}

export async function ask(path, query) {
  const answer = await asked(`/api/${path}?${new URLSearchParams(query)}`, {}, ANSWER_MS);
  if (answer.status === 401) location.href = "/login";
  return { content: await contentOf(answer), tag: answer.headers.get("ETag") };
}

export async function send(path, body) {
  const headers = { "Content-Type": "application/json", "X-Reshelf-Console": "1" };
  return contentOf(await asked(`/api/${path}`, { method: "POST", headers, body: JSON.stringify(body) }, LONG_MS));
}
