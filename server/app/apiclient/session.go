package apiclient

import (
	"context"
	"net/http"
)

// SignIn returns a copy of c that asks as a member of staff. Device names the
// machine or phone the session belongs to.
func (c Client) SignIn(ctx context.Context, tenant, login, password, device string) (Client, error) {
	var out struct {
		Access string `json:"access"`
	}
	_, err := c.Do(ctx, Call{Method: http.MethodPost, Path: "/v1/session", Body: map[string]string{
		"tenant": tenant, "login": login, "password": password, "device": device,
	}}, &out)
	c.Token = out.Access
	return c, err
}
