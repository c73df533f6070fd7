// Asks for the token once; the browser then holds a cookie that no script can read.

import { language, speakPage, t } from "./words.js";

document.title = t("login.title");
speakPage();
document.getElementById("form").addEventListener("submit", async (event) => {
  event.preventDefault();
  const token = document.getElementById("token").value;
  const answer = await fetch("/login", {
    method: "POST",
    headers: { "Content-Type": "application/json", "X-Reshelf-Console": "1", "Accept-Language": language },
    body: JSON.stringify({ token }),
  });
  if (answer.ok) location.href = "/";
  else document.getElementById("said").textContent = (await answer.json()).error;
});
