package custody

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"

	"github.com/boombuler/barcode/qr"

	"gridwatch/server/app/apiclient"
	"gridwatch/server/vault"
)

// codeTries is how many codes are asked for; more wrong ones make an account wait.
const codeTries = 3

// signInFirst gives an officer the first second factor, an authenticator app
// (TOTP), and shows the recovery codes. It leaves no session behind.
func signInFirst(ctx context.Context, o options, env Env) error {
	if err := onTerminal(env); err != nil {
		return err
	}
	if err := apiclient.CheckBase(o.server); err != nil {
		return fmt.Errorf("--server: %w", err)
	}
	password, err := secretFrom(o.passwordFile)
	if err != nil {
		return err
	}
	device, err := o.device(env.Random)
	if err != nil {
		return err
	}
	f := firstFactor{c: apiclient.Client{Base: o.server, HTTP: &http.Client{Timeout: timeout}}, device: device}
	if err := f.begin(ctx, o, password); err != nil {
		return err
	}
	return errors.Join(f.enrol(ctx, env), f.leave(ctx))
}

// device is the id by which the server knows this machine: wrong tries of
// strangers elsewhere do not keep its officer out. It lies beside the
// password; where nothing can be written, it is another one every time.
func (o options) device(random io.Reader) (string, error) {
	path := o.passwordFile + ".device"
	kept, err := secretFrom(path)
	if err == nil && len(kept) == 32 {
		return kept, nil
	}
	id, err := vault.NewID(random)
	if err == nil {
		_ = writeNew(path, []byte(id+"\n")) // a medium that is read only signs in as well
	}
	return id, err
}

// firstFactor is a first sign-in under way: half a session where the tenant's
// policy asks a second factor of the officer's post, else a whole one.
type firstFactor struct {
	c      apiclient.Client
	device string
	half   string
}

func (f *firstFactor) begin(ctx context.Context, o options, password string) error {
	var in struct {
		Access  string   `json:"access"`
		Half    string   `json:"half"`
		Factors []string `json:"factors"`
	}
	_, err := f.c.Do(ctx, apiclient.Call{Method: http.MethodPost, Path: "/v1/session", Body: map[string]string{
		"tenant": o.tenant, "login": o.login, "password": password, "device": f.device,
	}}, &in)
	if err != nil {
		return err
	}
	if in.Half != "" && (len(in.Factors) != 1 || in.Factors[0] != "enrol") {
		return errors.New("this account has a second factor already, and nothing was changed: other commands take its --code; " +
			"if it is lost, a recovery code does, or an administrator has it forgotten")
	}
	f.half, f.c.Token = in.Half, in.Access
	return nil
}

func (f *firstFactor) enrol(ctx context.Context, env Env) error {
	if err := f.show(ctx, env); err != nil {
		return err
	}
	codes, err := f.confirm(ctx, env)
	if err != nil {
		return err
	}
	_, err = fmt.Fprintf(env.Stdout, "\nThe authenticator is in force. Write these recovery codes down, apart from the phone; each is good once,\n"+
		"in the place of a code, and they are not shown again:\n\n  %s\n\nFrom now on: --code, with what the authenticator shows.\n", strings.Join(codes, "\n  "))
	return err
}

// leave signs out, if anybody is signed in.
func (f *firstFactor) leave(ctx context.Context) error {
	if f.c.Token == "" {
		return nil
	}
	_, err := f.c.Do(ctx, apiclient.Call{Method: http.MethodDelete, Path: "/v1/session"}, nil)
	return err
}

// show asks for a secret and shows it to the authenticator.
func (f *firstFactor) show(ctx context.Context, env Env) error {
	call := apiclient.Call{Method: http.MethodPost, Path: "/v1/session/totp", Body: map[string]string{}}
	if f.half != "" {
		call.Path, call.Body = "/v1/session/enrol", map[string]string{"half": f.half, "device": f.device}
	}
	var made struct {
		Secret string `json:"secret"`
		URI    string `json:"uri"`
	}
	if _, err := f.c.Do(ctx, call, &made); err != nil {
		return err
	}
	picture, err := qrCode(made.URI)
	if err != nil {
		return err
	}
	_, err = fmt.Fprintf(env.Stdout, "Take this up with an authenticator app (TOTP):\n\n%s\n%s\n\nBy hand, the key is %s\n\n",
		picture, printable(made.URI), printable(made.Secret))
	return err
}

// confirm asks for the first code and returns the recovery codes.
func (f *firstFactor) confirm(ctx context.Context, env Env) ([]string, error) {
	lines := bufio.NewReader(env.Stdin)
	for try := 1; ; try++ {
		if _, err := fmt.Fprint(env.Stdout, "The code that it shows: "); err != nil {
			return nil, err
		}
		line, err := lines.ReadString('\n')
		code := strings.ReplaceAll(strings.TrimSpace(line), " ", "")
		if code == "" && err != nil {
			return nil, errors.New("no code was typed: nothing is in force, run signin first again")
		}
		codes, err := f.send(ctx, code)
		switch apiclient.CodeOf(err) {
		case "session.second", "factor.code", "body.invalid":
			if try == codeTries {
				return nil, fmt.Errorf("nothing is in force, run signin first again: %w", err)
			}
			if _, err := fmt.Fprintln(env.Stdout, "That is not right. Wait for the next code; is the phone's clock right?"); err != nil {
				return nil, err
			}
		default:
			return codes, err
		}
	}
}

func (f *firstFactor) send(ctx context.Context, code string) ([]string, error) {
	call := apiclient.Call{Method: http.MethodPost, Path: "/v1/session/totp/confirm", Body: map[string]string{"code": code}}
	if f.half != "" {
		call.Path, call.Body = "/v1/session/second", map[string]string{"half": f.half, "device": f.device, "code": code}
	}
	var out struct {
		Access        string   `json:"access"`
		RecoveryCodes []string `json:"recoveryCodes"`
	}
	_, err := f.c.Do(ctx, call, &out)
	if err == nil && out.Access != "" {
		f.c.Token = out.Access
	}
	return out.RecoveryCodes, err
}

// quiet is the white margin of a QR code, in modules (ISO/IEC 18004).
const quiet = 4

// qrCode draws a text for a terminal, two modules in a sign, black on white
// whatever the terminal's colours are.
func qrCode(text string) (string, error) {
	code, err := qr.Encode(text, qr.M, qr.Auto)
	if err != nil {
		return "", fmt.Errorf("draw a QR code: %w", err)
	}
	size := code.Bounds().Dx()
	white := func(x, y int) bool {
		if x < 0 || y < 0 || x >= size || y >= size {
			return true
		}
		r, _, _, _ := code.At(x, y).RGBA()
		return r > 0
	}
	var out strings.Builder
	for y := -quiet; y < size+quiet; y += 2 {
		out.WriteString("\x1b[97;40m")
		for x := -quiet; x < size+quiet; x++ {
			switch top, bottom := white(x, y), white(x, y+1); {
			case top && bottom:
				out.WriteRune('█')
			case top:
				out.WriteRune('▀')
			case bottom:
				out.WriteRune('▄')
			default:
				out.WriteRune(' ')
			}
		}
		out.WriteString("\x1b[0m\n")
	}
	return out.String(), nil
}
