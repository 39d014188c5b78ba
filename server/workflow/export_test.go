package workflow

import (
	"context"
	"image"

	"gridwatch/media/likeness"
)

// KeepPicture keeps the print of a picture as that of an item.
func (s *Service) KeepPicture(ctx context.Context, p Print, picture image.Image) error {
	made, err := likeness.Of(picture)
	if err != nil {
		return err
	}
	return s.sealPrint(ctx, p, made)
}

// ForgetPrints is what an erasure does with the prints of a record.
func (s *Service) ForgetPrints(ctx context.Context, tenant, record string) error {
	return s.forgetPrints(ctx, tenant, record)
}

// InMemory lists the items whose prints a process holds now.
func (s *Service) InMemory(tenant string) []string {
	s.mu.Lock()
	a := s.albums[tenant]
	s.mu.Unlock()
	var items []string
	if a != nil {
		for _, l := range a.pages {
			items = append(items, l.item)
		}
	}
	return items
}

// Alike lists the items of other records whose pictures are like an item's.
func (s *Service) Alike(ctx context.Context, tenant, item, kind string) ([]string, error) {
	a, err := s.refresh(ctx, tenant)
	if err != nil {
		return nil, err
	}
	var items []string
	for _, l := range a.alike(item, kind, 10) {
		items = append(items, l.item)
	}
	return items, nil
}
