package workflow

import "time"

// dayAfter returns the beginning of the n-th day after a day, in its location.
func dayAfter(day time.Time, n int) time.Time {
	return time.Date(day.Year(), day.Month(), day.Day()+n, 0, 0, 0, 0, day.Location()).UTC()
}
