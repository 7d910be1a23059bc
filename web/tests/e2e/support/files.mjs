/**
 * Opens the panel at the files of the machine, and gives that section.
 * @param {import("playwright-core").Page} page
 */
export async function openFiles(page) {
  await page.locator(".handle").click();
  await page.getByRole("toolbar").getByRole("button", { name: "Files" }).click();
  const section = page.locator('details[data-section="files"]');
  await section.getByRole("list", { name: /^Files in/ }).waitFor();
  return section;
}

/**
 * Drops files as a person would who holds them over the page.
 * @param {import("playwright-core").Page} page
 * @param {import("playwright-core").Locator} where
 * @param {readonly { name: string, text: string }[]} files
 */
export async function dropFiles(page, where, files) {
  const dataTransfer = await page.evaluateHandle((given) => {
    const data = new DataTransfer();
    for (const { name, text } of given) data.items.add(new File([text], name));
    return data;
  }, files);
  await where.dispatchEvent("dragover", { dataTransfer });
  await where.dispatchEvent("drop", { dataTransfer });
}

/**
 * What the browser saves after `act`: its name and where it is.
 * @param {import("playwright-core").Page} page
 * @param {() => Promise<void>} act
 */
export async function savedFile(page, act) {
  const [download] = await Promise.all([page.waitForEvent("download"), act()]);
  const failure = await download.failure();
  if (failure) throw new Error(`the download failed: ${failure}`);
  return { name: download.suggestedFilename(), path: await download.path() };
}
