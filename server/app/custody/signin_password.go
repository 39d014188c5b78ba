package custody

import (
	"context"
	"errors"
	"net/http"

	"gridwatch/server/app/apiclient"
)

// signInPassword gives an officer another password, and ends all sessions.
func signInPassword(ctx context.Context, o options, env Env) error {
	if o.passwordFile == "" {
		return errors.New("--password-file is missing: the password in force is asked for")
	}
	current, err := secretFrom(o.passwordFile)
	if err != nil {
		return err
	}
	next, err := secretFrom(o.newPassword)
	if err != nil {
		return err
	}
	c, err := o.connect(ctx, env)
	if err != nil {
		return err
	}
	_, err = c.Do(ctx, apiclient.Call{Method: http.MethodPost, Path: "/v1/session/password", Body: map[string]string{"current": current, "new": next}}, nil)
	_, left := c.Do(ctx, apiclient.Call{Method: http.MethodDelete, Path: "/v1/session"}, nil)
	if err := errors.Join(err, left); err != nil {
		return err
	}
	return o.say(env, "The new password is in force, and nobody is signed in by the old one. Delete both files.\n")
}
