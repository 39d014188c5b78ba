package copies

// Claim locks the folder of a job, as the process that works on it does.
var Claim = claim
