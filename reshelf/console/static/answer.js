// What the server answers: its content, or an error in plain words.

export async function contentOf(answer) {
  const content = await answer.json().catch(() => null);
  if (!answer.ok || content === null)
    throw new Error(content?.error ?? `The console failed with status ${answer.status}; its log says why.`);
  return content;
}
