package copies

// Claim locks the folder of a job, as the process that works on it does.
var Claim = claim

// Crowded says whether a folder is full, and by whom.
var Crowded = crowded
