// Package blob keeps bytes in an S3 object store.
//
// It knows nothing of what the bytes are: media gives it ciphertext only. It
// is the one package that speaks S3, through minio-go.
package blob

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"time"

	"github.com/minio/minio-go/v7"
	"github.com/minio/minio-go/v7/pkg/credentials"
)

// ErrNotFound says that there is no object under the key. It also matches
// fs.ErrNotExist, so that a user of the store need not import this package.
var ErrNotFound = fmt.Errorf("blob: no such object: %w", fs.ErrNotExist)

// tries is how often a request is sent at most: a store that is down must be
// noticed within the deadline of the request that needs it.
const tries = 3

// Config says where the store is.
type Config struct {
	URL       string // scheme, host and port, like http://127.0.0.1:9000
	AccessKey string
	SecretKey string
	Bucket    string
	Prefix    string // put before every key as it is; may be empty
	Lock      LockMode
}

// Store is one prefix of one bucket. It may be used by many goroutines.
type Store struct {
	core      minio.Core
	transport *http.Transport
	bucket    string
	prefix    string
	lock      LockMode
}

// Open returns the store that cfg describes. It sends nothing: Ready and
// EnsureBucket do.
func Open(cfg Config) (*Store, error) {
	u, err := url.Parse(cfg.URL)
	if err != nil {
		return nil, fmt.Errorf("parse store address: %w", err)
	}
	secure := u.Scheme == "https"
	if u.Host == "" || !secure && u.Scheme != "http" || strings.TrimPrefix(cfg.URL, u.Scheme+"://"+u.Host) != "" {
		return nil, errors.New("blob: store address must be http://host:port or https://host:port")
	}
	transport, err := minio.DefaultTransport(secure)
	if err != nil {
		return nil, fmt.Errorf("make store transport: %w", err)
	}
	client, err := minio.New(u.Host, &minio.Options{
		Creds:      credentials.NewStaticV4(cfg.AccessKey, cfg.SecretKey, ""),
		Secure:     secure,
		Transport:  transport,
		MaxRetries: tries,
		// A checksum behind the body is what Put sends.
		TrailingHeaders: true,
	})
	if err != nil {
		return nil, fmt.Errorf("open store: %w", err)
	}
	return &Store{core: minio.Core{Client: client}, transport: transport, bucket: cfg.Bucket, prefix: cfg.Prefix, lock: cfg.Lock}, nil
}

// EnsureBucket makes the bucket if there is none.
func (s *Store) EnsureBucket(ctx context.Context) error {
	err := s.core.MakeBucket(ctx, s.bucket, minio.MakeBucketOptions{})
	switch minio.ToErrorResponse(err).Code {
	case minio.BucketAlreadyOwnedByYou, minio.BucketAlreadyExists:
		return s.Ready(ctx)
	}
	if err != nil {
		return fmt.Errorf("make bucket: %w", told(err))
	}
	return nil
}

// Ready returns nil if the store answers and has the bucket.
func (s *Store) Ready(ctx context.Context) error {
	ok, err := s.core.BucketExists(ctx, s.bucket)
	if err != nil {
		return fmt.Errorf("look up bucket: %w", told(err))
	}
	if !ok {
		return errors.New("blob: the bucket does not exist")
	}
	return nil
}

// ErrAway says that the store did not answer, or could not do its work: another
// try may go well.
var ErrAway = errors.New("blob: the object store is away")

// told is an error without the address it was sent to: that names the object,
// and a line of a log has the time of day.
func told(err error) error {
	var sent *url.Error
	if errors.As(err, &sent) {
		return fmt.Errorf("%w: %w", ErrAway, sent.Err)
	}
	if minio.ToErrorResponse(err).StatusCode >= http.StatusInternalServerError {
		return fmt.Errorf("%w: %w", ErrAway, err)
	}
	return err
}

// Put stores body under key in one request of known length and replaces what
// was there. When it returns nil the bytes are durable. When it returns, body is
// the caller's again.
//
// The store checks a CRC32C of it and not a signed digest: what is put is
// sealed, who changed it on the way gains nothing but a part that does not
// open, and the digest would cost a third of the time.
func (s *Store) Put(ctx context.Context, key string, body []byte) error {
	given := &lent{r: bytes.NewReader(body)}
	defer given.end()
	_, err := s.core.Client.PutObject(ctx, s.bucket, s.prefix+key, given, int64(len(body)),
		minio.PutObjectOptions{DisableMultipart: true, DisableContentSha256: true, Checksum: minio.ChecksumFullObjectCRC32C})
	if err != nil {
		return fmt.Errorf("put object: %w", told(err))
	}
	return nil
}

// lent reads a body until it is taken back: a request that failed may still be
// on its way out, and must not carry what the memory holds by then.
type lent struct {
	mu   sync.Mutex
	r    *bytes.Reader
	over bool
}

var errOver = errors.New("blob: the body was taken back")

// Read implements io.Reader.
func (l *lent) Read(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.over {
		return 0, errOver
	}
	return l.r.Read(p) //nolint:wrapcheck // io.EOF is compared with ==
}

// Seek implements io.Seeker, for another try.
func (l *lent) Seek(offset int64, whence int) (int64, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.over {
		return 0, errOver
	}
	return l.r.Seek(offset, whence) //nolint:wrapcheck // never fails
}

func (l *lent) end() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.over = true
}

// Get returns the bytes under key, locked or not, to be closed by the caller,
// and how many they are; or ErrNotFound.
func (s *Store) Get(ctx context.Context, key string) (io.ReadCloser, int64, error) {
	for _, bucket := range []string{s.bucket, s.lockedBucket()} {
		body, info, _, err := s.core.GetObject(ctx, bucket, s.prefix+key, minio.GetObjectOptions{})
		switch code := minio.ToErrorResponse(err).Code; {
		case code == minio.NoSuchKey || (code == minio.NoSuchBucket && bucket != s.bucket):
		case err != nil:
			return nil, 0, fmt.Errorf("get object: %w", told(err))
		default:
			return body, info.Size, nil
		}
	}
	return nil, 0, ErrNotFound
}

// Delete removes the object under key, locked or not. That there is none is
// not an error; ErrLocked says that it must stay.
func (s *Store) Delete(ctx context.Context, key string) error {
	return errors.Join(s.removeOpen(ctx, key), s.removeLocked(ctx, key))
}

func (s *Store) removeOpen(ctx context.Context, key string) error {
	if err := s.core.RemoveObject(ctx, s.bucket, s.prefix+key, minio.RemoveObjectOptions{}); err != nil {
		return fmt.Errorf("delete object: %w", told(err))
	}
	return nil
}

// List calls visit with the key and the time of last change of every object
// whose key begins with prefix, in order of the keys, until visit returns an
// error, which List returns. Visit may delete what it is given.
func (s *Store) List(ctx context.Context, prefix string, visit func(key string, modified time.Time) error) error {
	opts := minio.ListObjectsOptions{Prefix: s.prefix + prefix, Recursive: true}
	for object := range s.core.ListObjectsIter(ctx, s.bucket, opts) {
		if object.Err != nil {
			return fmt.Errorf("list objects: %w", told(object.Err))
		}
		if err := visit(object.Key[len(s.prefix):], object.LastModified); err != nil {
			return err
		}
	}
	return nil
}

// Close lets go of idle connections. A closed store must not be used.
func (s *Store) Close() { s.transport.CloseIdleConnections() }
