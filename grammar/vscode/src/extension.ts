/** Starts the language server, `rrl-dsl lsp`, and starts it anew where its path changes. */

import * as vscode from "vscode";
import { LanguageClient } from "vscode-languageclient/node";

/** The client that was started last. */
let client: LanguageClient | undefined;

export async function activate(context: vscode.ExtensionContext): Promise<void> {
  context.subscriptions.push(
    vscode.commands.registerCommand("rrl-dsl.restart", restart),
    vscode.workspace.onDidChangeConfiguration(async (change) => {
      if (change.affectsConfiguration("rrl-dsl.path")) {
        await restart();
      }
    }),
  );
  await start();
}

export async function deactivate(): Promise<void> {
  await stop();
}

async function start(): Promise<void> {
  const command = vscode.workspace.getConfiguration("rrl-dsl").get("path", "rrl-dsl");
  const server = { command, args: ["lsp"] };
  const started = new LanguageClient("rrl-dsl", server, { documentSelector: [{ language: "rrl" }] });
  client = started;
  try {
    await started.start();
  } catch {
    void offerSetting(command); // the client has shown what went wrong
    return;
  }
  if (client !== started) {
    await started.dispose(); // another was started while this one was coming up
  }
}

async function stop(): Promise<void> {
  const stopped = client;
  client = undefined;
  // one that failed cannot be stopped, and one that is still coming up stops itself
  if (stopped?.isRunning()) {
    await stopped.dispose().catch(() => undefined); // where the server hangs, it is killed
  }
}

async function restart(): Promise<void> {
  await stop();
  await start();
}

async function offerSetting(command: string): Promise<void> {
  const action = "Open Settings";
  const message = `\`${command} lsp\` did not start. Install rrl-dsl, or say where it is.`;
  if ((await vscode.window.showErrorMessage(message, action)) === action) {
    await vscode.commands.executeCommand("workbench.action.openSettings", "rrl-dsl.path");
  }
}
