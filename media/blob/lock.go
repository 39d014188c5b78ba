package blob

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"time"

	"github.com/minio/minio-go/v7"
)

// ErrLocked says that an object is under retention or on hold: nobody can
// remove it before its day, or before the hold is lifted. It also matches
// fs.ErrPermission, so that a user of the store need not import this package.
var ErrLocked = fmt.Errorf("blob: the object is locked: %w", fs.ErrPermission)

// LockMode is how an object is kept from being removed before its day.
type LockMode string

// The modes of S3 object lock. Governance can be bypassed by whoever has that
// right in the object store; compliance by nobody.
const (
	Governance LockMode = "governance"
	Compliance LockMode = "compliance"
)

func (m LockMode) retention() minio.RetentionMode {
	if m == Compliance {
		return minio.Compliance
	}
	return minio.Governance
}

// lockedBucket is where locked objects lie. It is a bucket of its own, because
// one with object lock keeps every version of everything: what is to be erased
// would stay.
func (s *Store) lockedBucket() string { return s.bucket + "-locked" }

// EnsureLocked makes the bucket of locked objects, or checks the one there is.
func (s *Store) EnsureLocked(ctx context.Context) error {
	bucket := s.lockedBucket()
	err := s.core.MakeBucket(ctx, bucket, minio.MakeBucketOptions{ObjectLocking: true})
	switch code := minio.ToErrorResponse(err).Code; {
	case err == nil:
		return nil
	case code != minio.BucketAlreadyOwnedByYou && code != minio.BucketAlreadyExists:
		return fmt.Errorf("make the bucket of locked objects: %w", told(err))
	}
	state, _, _, _, err := s.core.GetObjectLockConfig(ctx, bucket)
	if err != nil || state != "Enabled" {
		return errors.Join(fmt.Errorf("the bucket %s was made without object lock, which cannot be added later: "+
			"move what is in it elsewhere and remove it, the server makes it anew", bucket), err)
	}
	return nil
}

// Lock (对象锁定) puts the object under a key where nobody can remove it before
// a time. One that is there already is kept until the later of both times. It
// may be called again after it broke off. It returns ErrNotFound if there is none.
func (s *Store) Lock(ctx context.Context, key string, until time.Time) error {
	at := s.prefix + key
	_, err := s.core.Client.CopyObject(ctx, minio.CopyDestOptions{
		Bucket: s.lockedBucket(), Object: at, Mode: s.lock.retention(), RetainUntilDate: until.UTC(),
	}, minio.CopySrcOptions{Bucket: s.bucket, Object: at})
	switch {
	case minio.ToErrorResponse(err).Code == minio.NoSuchKey:
		return s.extend(ctx, key, until)
	case err != nil:
		return fmt.Errorf("lock object: %w", told(err))
	}
	return s.removeOpen(ctx, key)
}

// extend keeps an object that is locked already until a later time.
func (s *Store) extend(ctx context.Context, key string, until time.Time) error {
	bucket, at := s.lockedBucket(), s.prefix+key
	_, was, err := s.core.GetObjectRetention(ctx, bucket, at, "")
	switch {
	case minio.ToErrorResponse(err).Code == minio.NoSuchKey:
		return ErrNotFound
	case err != nil:
		return fmt.Errorf("read retention: %w", told(err))
	case was != nil && !was.Before(until):
		return nil
	}
	retention := s.lock.retention()
	until = until.UTC()
	err = s.core.PutObjectRetention(ctx, bucket, at, minio.PutObjectRetentionOptions{Mode: &retention, RetainUntilDate: &until})
	if err != nil {
		return fmt.Errorf("extend retention: %w", told(err))
	}
	return nil
}

// Hold (法定保全) keeps a locked object whatever its retention says, until the
// hold is lifted. It returns ErrNotFound if there is no such locked object.
func (s *Store) Hold(ctx context.Context, key string, on bool) error {
	status := minio.LegalHoldDisabled
	if on {
		status = minio.LegalHoldEnabled
	}
	err := s.core.PutObjectLegalHold(ctx, s.lockedBucket(), s.prefix+key, minio.PutObjectLegalHoldOptions{Status: &status})
	switch {
	case minio.ToErrorResponse(err).Code == minio.NoSuchKey:
		return ErrNotFound
	case err != nil:
		return fmt.Errorf("hold object: %w", told(err))
	}
	return nil
}

// removeLocked removes every version of an object that was locked, or returns
// ErrLocked. That there is none is not an error.
func (s *Store) removeLocked(ctx context.Context, key string) error {
	at := s.prefix + key
	for v := range s.core.ListObjectsIter(ctx, s.lockedBucket(), minio.ListObjectsOptions{Prefix: at, WithVersions: true, Recursive: true}) {
		switch {
		case minio.ToErrorResponse(v.Err).Code == minio.NoSuchBucket:
			return nil
		case v.Err != nil:
			return fmt.Errorf("list versions: %w", told(v.Err))
		case v.Key != at:
			continue
		}
		err := s.core.RemoveObject(ctx, s.lockedBucket(), at, minio.RemoveObjectOptions{VersionID: v.VersionID})
		switch code := minio.ToErrorResponse(err).Code; {
		case code == "ObjectLocked" || code == minio.AccessDenied || code == "InvalidRequest":
			return ErrLocked
		case err != nil:
			return fmt.Errorf("delete locked object: %w", told(err))
		}
	}
	return nil
}
