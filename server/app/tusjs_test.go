package app_test

import (
	"crypto/sha256"
	"encoding/hex"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"gridwatch/media/mediatest"
	"gridwatch/mobileapi/tus"
	"gridwatch/mobileapi/wire"
	"gridwatch/server/app/apiclient"
	"gridwatch/server/app/demo"
	"gridwatch/server/casefile"
)

// TestTusJSClient lets npm tus-js-client upload: it is killed with a piece under
// way, the server is killed too, a client that starts anew resumes on another
// process, and another upload is terminated.
func TestTusJSClient(t *testing.T) {
	t.Parallel()
	w, path := apart(t), program(t)
	server := launch(t, path, w.settings, "serve")
	w.ready(t)

	var made wire.Registration
	w.ask(t, w.anyone(), apiclient.Call{
		Method: http.MethodPost, Path: "/v1/public/" + demo.Tenant + "/reports", Key: newKey(t),
		Form: new(apiclient.Form).JSON("report", []byte(anonymousReport)),
	}, &made)
	var session wire.ReceiptSession
	w.ask(t, w.anyone(), apiclient.Call{Method: http.MethodPost, Path: "/v1/receipt/session", Body: wire.OpenReceipt{Code: made.Code}}, &session)
	c := apiclient.Client{Base: w.base, HTTP: w.http, Token: session.Token}

	content := mediatest.Picture(mediatest.Options{Width: 32, Height: 32})
	content = append(content, make([]byte, 3<<20)...)
	file := filepath.Join(t.TempDir(), "IMG_0042.jpg")
	if err := os.WriteFile(file, content, 0o600); err != nil {
		t.Fatal(err)
	}
	sum := sha256.Sum256(content)
	item := wire.AnnounceItem{Kind: casefile.Photo, Size: int64(len(content)), SHA256: hex.EncodeToString(sum[:])}
	var out wire.Announced
	w.ask(t, c, apiclient.Call{
		Method: http.MethodPost, Path: "/v1/receipt/uploads", Key: newKey(t), Body: wire.Announce{Items: []wire.AnnounceItem{item, item}},
	}, &out)
	// client runs the client and returns the last line it says: the upload's URL.
	client := func(command, right, url string, killed bool) string {
		t.Helper()
		said, err := exec.CommandContext(t.Context(), "node", "../../mobileapi/tus/tusjs/client.js",
			command, w.base+tus.Path, session.Token, right, file, url).CombinedOutput()
		lines := strings.Split(strings.TrimSpace(string(said)), "\n")
		if (err != nil) != killed {
			t.Fatalf("%s: got %v, %s; make tools installs the client", command, err, said)
		}
		return lines[len(lines)-1]
	}

	url := client("cut", out.Items[0].Right, "", true)
	server.end(t, syscall.SIGKILL)
	launch(t, path, w.settings, "serve") // on the same data
	w.ready(t)
	if again := client("resume", out.Items[0].Right, url, false); again != url {
		t.Errorf("resumed %s, want %s", again, url)
	}
	given := client("cut", out.Items[1].Right, "", true)
	client("end", out.Items[1].Right, given, false)

	w.allSettled(t)
	var seen wire.Receipt
	w.ask(t, c, apiclient.Call{Method: http.MethodGet, Path: "/v1/receipt"}, &seen)
	if len(seen.Evidence) != 2 || seen.Evidence[0].State != casefile.EvidenceDerived ||
		seen.Evidence[1].State != casefile.EvidenceRejected || seen.Evidence[1].Reason != "evidence.given_up" {
		t.Errorf("got %+v", seen.Evidence)
	}
}

// ask sends a request that must be answered with success.
func (w *world) ask(t *testing.T, c apiclient.Client, call apiclient.Call, out any) {
	t.Helper()
	if _, err := c.Do(t.Context(), call, out); err != nil {
		t.Fatal(err)
	}
}
