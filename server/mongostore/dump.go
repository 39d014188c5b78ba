package mongostore

import (
	"context"
	"fmt"
	"io"

	"go.mongodb.org/mongo-driver/bson"
)

// Dump writes every document of every collection as a line of canonical
// extended JSON, the collection's name before it.
func (s *Store) Dump(ctx context.Context, w io.Writer) error {
	names, err := s.db.ListCollectionNames(ctx, bson.M{})
	if err != nil {
		return translate("list collections", err)
	}
	for _, name := range names {
		if err := s.dump(ctx, w, name); err != nil {
			return fmt.Errorf("dump %s: %w", name, err)
		}
	}
	return nil
}

func (s *Store) dump(ctx context.Context, w io.Writer, name string) error {
	cursor, err := s.db.Collection(name).Find(ctx, bson.M{})
	if err != nil {
		return err
	}
	for cursor.Next(ctx) {
		line, err := bson.MarshalExtJSON(cursor.Current, true, false)
		if err != nil {
			return err
		}
		if _, err := fmt.Fprintf(w, "%s %s\n", name, line); err != nil {
			return err
		}
	}
	return cursor.Err()
}
