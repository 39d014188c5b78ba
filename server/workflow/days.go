package workflow

import "time"

// dayAfter returns the beginning of the n-th day after a day, in its location.
func dayAfter(day time.Time, n int) time.Time {
	return time.Date(day.Year(), day.Month(), day.Day()+n, 0, 0, 0, 0, day.Location()).UTC()
}

// today is the day in China, 2006-01-02: what records keep of a reporter.
func (s *Service) today() string { return s.now().In(Shanghai()).Format(time.DateOnly) }

// daysAfter returns the n-th day after a day, both 2006-01-02.
func daysAfter(day string, n int) string {
	t, err := time.Parse(time.DateOnly, day)
	if err != nil { // no record has another form
		return day
	}
	return t.AddDate(0, 0, n).Format(time.DateOnly)
}

// onlyDay makes the time of an event the beginning of its day: a timeline does
// not say at what time of day a reporter did something.
func onlyDay(at time.Time) time.Time { return dayAfter(at.In(Shanghai()), 0) }
