// Package config reads the environment: it is the only place that does.
//
// Every setting is checked, and all mistakes are told at once. A secret may
// come from a file and cannot be printed.
package config

import (
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/netip"
	"net/url"
	"os"
	"reflect"
	"strings"
	"time"

	"github.com/caarlos0/env/v11"
)

// Config is every setting of the program. The meaning of each stands in its
// tag, from which the table in README is made.
type Config struct {
	MongoURI      Secret `env:"GRID_MONGO_URI" meaning:"connection string of the database; without it the local engines are used"`
	MongoDatabase string `env:"GRID_MONGO_DATABASE" envDefault:"gridwatch" meaning:"name of the database"`

	S3URL       string `env:"GRID_S3_URL" meaning:"address of the object store, http or https; without it the local engines are used"`
	S3AccessKey Secret `env:"GRID_S3_ACCESS_KEY" meaning:"access key of the object store"`
	S3SecretKey Secret `env:"GRID_S3_SECRET_KEY" meaning:"secret key of the object store"`
	S3Bucket    string `env:"GRID_S3_BUCKET" envDefault:"gridwatch" meaning:"bucket of the evidence, all of it ciphertext"`
	S3Lock      string `env:"GRID_S3_LOCK" envDefault:"governance" meaning:"object lock of the originals of staff, in the bucket NAME-locked: governance (an operator with that right can lift it) or compliance (nobody can)"`
	S3Prefix    string `env:"GRID_S3_PREFIX" meaning:"put before the name of every object, so that installations can share a bucket"`

	MediaScratch string `env:"GRID_MEDIA_SCRATCH" envDefault:"/dev/shm" meaning:"folder for evidence in clear while its copies are made: in memory (tmpfs) or on an encrypted disk (dm-crypt)"`
	Clamd        string `env:"GRID_CLAMD" meaning:"socket of ClamAV's clamd, a path or host:port, that looks at evidence before copies are made; without it nothing does"`

	Keyring string `env:"GRID_KEYRING" meaning:"path of the file with the server's keys"`
	// A KMS may have sealed that file.
	KeyringKMS      string `env:"GRID_KEYRING_KMS" meaning:"URI of the key that seals the keyring file, such as hcvault://kms.example.gov.cn:8200/transit/keys/gridwatch; without it the file is in clear"`
	KeyringKMSToken Secret `env:"GRID_KEYRING_KMS_TOKEN" meaning:"token for that KMS"`
	KeyringKMSCA    string `env:"GRID_KEYRING_KMS_CA" meaning:"path of the certificates, PEM, that the KMS is trusted by; without it those of the system"`

	Listen         string         `env:"GRID_LISTEN" envDefault:"127.0.0.1:8080" meaning:"address that serves; off loopback only with TLS or trusted proxies"`
	OpsListen      string         `env:"GRID_OPS_LISTEN" envDefault:"127.0.0.1:8081" meaning:"address of health, metrics and, on loopback only, profiles"`
	TLSCert        string         `env:"GRID_TLS_CERT" meaning:"path of the certificate chain, PEM"`
	TLSKey         string         `env:"GRID_TLS_KEY" meaning:"path of the certificate's key, PEM"`
	TrustedProxies []netip.Prefix `env:"GRID_TRUSTED_PROXIES" meaning:"networks of the proxies that end TLS, such as 10.0.0.0/24,10.1.0.7/32; no other peer may then connect without TLS"`

	RequestDeadline time.Duration `env:"GRID_REQUEST_DEADLINE" envDefault:"10s" meaning:"time a request may take"`
	UploadDeadline  time.Duration `env:"GRID_UPLOAD_DEADLINE" envDefault:"10m" meaning:"time an upload or a download may take"`
	Patience        time.Duration `env:"GRID_PATIENCE" envDefault:"5s" meaning:"time after which a slow sender has to make room where others wait"`
	Drain           time.Duration `env:"GRID_DRAIN" envDefault:"20s" meaning:"time given to open requests at the end; longer than the request deadline"`

	PerMinute   int `env:"GRID_REQUESTS_PER_MINUTE" envDefault:"300" meaning:"requests of one person or one receipt a minute, on each server"`
	ProofOfWork int `env:"GRID_PROOF_OF_WORK" envDefault:"30000" meaning:"most hashes that a public request has to try once half of the room for such requests is taken; 0 never asks"`

	LogHour  int    `env:"GRID_LOG_HOUR" envDefault:"4" meaning:"hour of the day, Asia/Shanghai, from which the log's daily checkpoint is made: 0 to 23"`
	LogAbove string `env:"GRID_LOG_ABOVE" meaning:"verifier key of the level above, which countersigns checkpoints"`

	FCM            string `env:"GRID_FCM" envDefault:"off" meaning:"push by Firebase Cloud Messaging: off or on; tasks can be pulled without it"`
	FCMProject     string `env:"GRID_FCM_PROJECT" meaning:"project of Firebase"`
	FCMCredentials string `env:"GRID_FCM_CREDENTIALS" meaning:"path of the service account's file"`
	FCMEndpoint    string `env:"GRID_FCM_ENDPOINT" meaning:"address of a stand-in for FCM, on loopback only; needs no credentials"`

	ContactGateway string `env:"GRID_CONTACT_GATEWAY_URL" meaning:"address of the gateway that calls or writes to reporters, https, or http on loopback; without it contacts are used at an officer's terminal only"`

	PasskeyOrigin string `env:"GRID_PASSKEY_ORIGIN" meaning:"origin of the pages that use passkeys, such as https://grid.example.gov.cn; without it staff use authenticator apps"`

	LogLevel   slog.Level `env:"GRID_LOG_LEVEL" envDefault:"INFO" meaning:"DEBUG, INFO, WARN or ERROR"`
	DemoDir    string     `env:"GRID_DEMO_DIR" meaning:"folder of the demo's keys and sign-ins; never in production"`
	SchemesDir string     `env:"GRID_SCHEMES_DIR" meaning:"folder of reward schemes to use instead of the built-in ones"`
}

// Secret cannot be printed, logged or marshalled.
type Secret struct{ value *string }

// Reveal returns the value, "" if it is not set.
func (s Secret) Reveal() string {
	if s.value == nil {
		return ""
	}
	return *s.value
}

// UnmarshalText implements encoding.TextUnmarshaler.
func (s *Secret) UnmarshalText(text []byte) error {
	value := string(text)
	s.value = &value
	return nil
}

// MarshalText says that there is a secret, not which.
func (Secret) MarshalText() ([]byte, error) { return []byte("[sealed]"), nil }

// Format implements fmt.Formatter for every verb.
func (Secret) Format(f fmt.State, _ rune) { _, _ = f.Write([]byte("[sealed]")) }

// LogValue implements slog.LogValuer.
func (Secret) LogValue() slog.Value { return slog.StringValue("[sealed]") }

// Read reads settings of the form NAME=value. A secret NAME may be given as
// NAME_FILE, the path of a file that holds it. An unknown GRID_ name is a
// mistake too, so that a misspelt one is noticed.
func Read(environ []string) (Config, error) {
	given := map[string]string{}
	for _, entry := range environ {
		if name, value, ok := strings.Cut(entry, "="); ok && setting(name) {
			given[name] = value
		}
	}
	mistakes := fromFiles(given)
	known := map[string]bool{}
	for _, row := range Table() {
		known[row.Name] = true
	}
	for name := range given {
		if !known[name] {
			mistakes = append(mistakes, fmt.Errorf("%s is not a setting", name))
		}
	}
	var c Config
	if err := env.ParseWithOptions(&c, env.Options{Environment: given}); err != nil {
		mistakes = append(mistakes, withoutValues(err)...)
	}
	mistakes = append(mistakes, c.check()...)
	return c, errors.Join(mistakes...)
}

// setting says whether a name is for this program: those that begin with
// GRID_TEST_ belong to the tests, GRID_STACK_ to server/devstack.
func setting(name string) bool {
	return strings.HasPrefix(name, "GRID_") && !strings.HasPrefix(name, "GRID_TEST_") && !strings.HasPrefix(name, "GRID_STACK_")
}

// Unset takes the secrets out of the process's environment, where a child or a
// core dump would find them. Call it once they are read.
func Unset() error {
	var errs []error
	for _, row := range Table() {
		if row.Secret {
			errs = append(errs, os.Unsetenv(row.Name))
		}
	}
	return errors.Join(errs...)
}

// fromFiles replaces each NAME_FILE of a secret by what the file holds.
func fromFiles(given map[string]string) []error {
	var mistakes []error
	for _, row := range Table() {
		path, ok := given[row.Name+"_FILE"]
		if !row.Secret || !ok {
			continue
		}
		delete(given, row.Name+"_FILE")
		if given[row.Name] != "" {
			mistakes = append(mistakes, fmt.Errorf("%s and %s_FILE are both set", row.Name, row.Name))
			continue
		}
		text, err := os.ReadFile(path)
		if err != nil {
			mistakes = append(mistakes, fmt.Errorf("%s_FILE: %w", row.Name, err))
			continue
		}
		given[row.Name] = strings.TrimRight(string(text), "\r\n")
	}
	return mistakes
}

// withoutValues tells which settings could not be read, and not what they hold.
func withoutValues(err error) []error {
	var all env.AggregateError
	if !errors.As(err, &all) {
		return []error{err}
	}
	var mistakes []error
	for _, e := range all.Errors {
		var parse env.ParseError
		if !errors.As(e, &parse) {
			mistakes = append(mistakes, e)
			continue
		}
		field, _ := reflect.TypeFor[Config]().FieldByName(parse.Name)
		mistakes = append(mistakes, fmt.Errorf("%s is not of the form asked for: %s", field.Tag.Get("env"), field.Tag.Get("meaning")))
	}
	return mistakes
}

// check says everything that does not fit together.
func (c Config) check() []error {
	var mistakes []error
	refuse := func(wrong bool, format string, args ...any) {
		if wrong {
			mistakes = append(mistakes, fmt.Errorf(format, args...))
		}
	}
	for name, addr := range map[string]string{"GRID_LISTEN": c.Listen, "GRID_OPS_LISTEN": c.OpsListen} {
		_, _, err := net.SplitHostPort(addr)
		refuse(err != nil, "%s is host:port", name)
	}
	refuse(c.Listen == c.OpsListen && !strings.HasSuffix(c.Listen, ":0"), "GRID_OPS_LISTEN is another address than GRID_LISTEN")
	refuse((c.TLSCert == "") != (c.TLSKey == ""), "GRID_TLS_CERT and GRID_TLS_KEY come together")
	refuse(!loopback(c.Listen) && c.TLSCert == "" && len(c.TrustedProxies) == 0,
		"GRID_LISTEN is off loopback: set GRID_TLS_CERT and GRID_TLS_KEY, or GRID_TRUSTED_PROXIES")

	refuse(c.RequestDeadline <= 0, "GRID_REQUEST_DEADLINE is more than nothing")
	refuse(c.UploadDeadline < c.RequestDeadline, "GRID_UPLOAD_DEADLINE is not shorter than GRID_REQUEST_DEADLINE")
	refuse(c.Patience <= 0, "GRID_PATIENCE is more than nothing")
	refuse(c.Drain <= c.RequestDeadline, "GRID_DRAIN is longer than GRID_REQUEST_DEADLINE")

	if c.S3URL != "" {
		u, err := url.Parse(c.S3URL)
		refuse(err != nil || (u.Scheme != "http" && u.Scheme != "https") || u.Host == "" || u.User != nil, "GRID_S3_URL is http or https, without credentials in it")
		refuse(c.S3AccessKey.Reveal() == "" || c.S3SecretKey.Reveal() == "", "GRID_S3_URL needs GRID_S3_ACCESS_KEY and GRID_S3_SECRET_KEY")
	}
	refuse(c.PerMinute < 1, "GRID_REQUESTS_PER_MINUTE is 1 or more")
	refuse(c.ProofOfWork < 0 || c.ProofOfWork > 10_000_000, "GRID_PROOF_OF_WORK is from 0 to 10000000")
	u, err := url.Parse(c.KeyringKMS)
	refuse(c.KeyringKMS != "" && (err != nil || u.Host == "" || u.User != nil), "GRID_KEYRING_KMS is a URI such as hcvault://HOST:PORT/transit/keys/NAME, without credentials in it")
	refuse(c.KeyringKMS == "" && (c.KeyringKMSToken.Reveal() != "" || c.KeyringKMSCA != ""), "GRID_KEYRING_KMS_TOKEN and GRID_KEYRING_KMS_CA belong to GRID_KEYRING_KMS")
	refuse(c.LogHour < 0 || c.LogHour > 23, "GRID_LOG_HOUR is from 0 to 23")
	refuse(c.MongoDatabase == "", "GRID_MONGO_DATABASE is not empty")
	refuse(c.S3Lock != "governance" && c.S3Lock != "compliance", "GRID_S3_LOCK is governance or compliance")
	refuse(c.S3Bucket == "", "GRID_S3_BUCKET is not empty")

	refuse(c.FCM != "on" && c.FCM != "off", "GRID_FCM is on or off")
	refuse(c.FCM == "on" && c.FCMProject == "", "GRID_FCM=on needs GRID_FCM_PROJECT")
	refuse(c.FCM == "on" && c.FCMCredentials == "" && c.FCMEndpoint == "", "GRID_FCM=on needs GRID_FCM_CREDENTIALS, or GRID_FCM_ENDPOINT for a stand-in")
	if c.FCMEndpoint != "" {
		u, err := url.Parse(c.FCMEndpoint)
		refuse(err != nil || u.Scheme != "http" || !loopback(u.Host), "GRID_FCM_ENDPOINT is http on loopback, with a port")
	}
	refuse(c.ContactGateway != "" && !gatewayAddress(c.ContactGateway),
		"GRID_CONTACT_GATEWAY_URL is https, or http on loopback with a port, without credentials and query")
	return mistakes
}

// gatewayAddress says whether sealed contacts may be sent to an address.
func gatewayAddress(text string) bool {
	u, err := url.Parse(text)
	if err != nil || u.Host == "" || u.User != nil || u.RawQuery != "" || u.Fragment != "" {
		return false
	}
	return u.Scheme == "https" || (u.Scheme == "http" && loopback(u.Host))
}

// loopback says whether host:port is on this machine only.
func loopback(addr string) bool {
	host, _, err := net.SplitHostPort(addr)
	if err != nil {
		return false
	}
	ip, err := netip.ParseAddr(host)
	return host == "localhost" || (err == nil && ip.Unmap().IsLoopback())
}

// Row is one setting as the README tells it.
type Row struct {
	Name    string
	Default string
	Meaning string
	Secret  bool // may come from NAME_FILE
}

// Table lists the settings in their order.
func Table() []Row {
	var rows []Row
	for f := range reflect.TypeFor[Config]().Fields() {
		rows = append(rows, Row{
			Name: f.Tag.Get("env"), Default: f.Tag.Get("envDefault"), Meaning: f.Tag.Get("meaning"),
			Secret: f.Type == reflect.TypeFor[Secret](),
		})
	}
	return rows
}
