package schema

// Form says which form the statements take.
type Form struct {
	// Retention is after how long rows of a table expire, by table (messages
	// and its children, contents, problems, associations, coverage). Default:
	// never.
	Retention map[string]Days
}

// Days is a number of days.
type Days uint32
